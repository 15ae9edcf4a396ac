from environments.models.applications import Application, GitHostKey
from environments.models.people import Role, Token, User
from environments.models.places import Environment, Host, HostKey, KeyPair, Membership, Region, Transport, Zone
from environments.models.targets import Phase, Step, Target

__all__ = [
    "Application",
    "Environment",
    "GitHostKey",
    "Host",
    "HostKey",
    "KeyPair",
    "Membership",
    "Phase",
    "Region",
    "Role",
    "Step",
    "Target",
    "Token",
    "Transport",
    "User",
    "Zone",
]
