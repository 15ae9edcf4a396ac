from environments.models.applications import Application, GitHostKey
from environments.models.configuration import ConfigurationValue, Layer, ValueKind
from environments.models.endpoints import Endpoint, EndpointOffer
from environments.models.grants import EVERYONES_ROLES, GRANTED_ROLES, DefaultRoles, Grant
from environments.models.hooks import Asked, HookSource, Policy
from environments.models.locks import Answer, LineEnd, Lock, LockEnd, LockKind, LockQuestion, LockRequest, SpentLink
from environments.models.people import Came, Role, SignInLink, Team, Token, User
from environments.models.places import (
    Aside,
    Environment,
    Host,
    HostAuthority,
    HostKey,
    KeyPair,
    Membership,
    Outside,
    Region,
    Signer,
    Transport,
    Zone,
)
from environments.models.reservations import BookingEnd, Calendar, Reservation
from environments.models.secret_stores import FetchedSecrets, SecretStore
from environments.models.sign_in import (
    GroupMapping,
    GroupMembership,
    Identity,
    LetsIn,
    SignInProvider,
    SignInRules,
)
from environments.models.sources import GivenHost, Heartbeat, HostSource
from environments.models.targets import OnFailure, Step, Target, Task
from environments.models.windows import Freeze
from environments.phases import Phase

__all__ = [
    "EVERYONES_ROLES",
    "GRANTED_ROLES",
    "Answer",
    "Application",
    "Aside",
    "Asked",
    "BookingEnd",
    "Calendar",
    "Came",
    "ConfigurationValue",
    "DefaultRoles",
    "Endpoint",
    "EndpointOffer",
    "Environment",
    "FetchedSecrets",
    "Freeze",
    "GitHostKey",
    "GivenHost",
    "Grant",
    "GroupMapping",
    "GroupMembership",
    "Heartbeat",
    "HookSource",
    "Host",
    "HostAuthority",
    "HostKey",
    "HostSource",
    "Identity",
    "KeyPair",
    "Layer",
    "LetsIn",
    "LineEnd",
    "Lock",
    "LockEnd",
    "LockKind",
    "LockQuestion",
    "LockRequest",
    "Membership",
    "OnFailure",
    "Outside",
    "Phase",
    "Policy",
    "Region",
    "Reservation",
    "Role",
    "SecretStore",
    "SignInLink",
    "SignInProvider",
    "SignInRules",
    "Signer",
    "SpentLink",
    "Step",
    "Target",
    "Task",
    "Team",
    "Token",
    "Transport",
    "User",
    "ValueKind",
    "Zone",
]
