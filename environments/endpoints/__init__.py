"""Endpoints: any branch at an address of its own, beside the target whose environment offers them.

Errors are those of `environments.endpoints.errors`, and access.NotAllowed. What is on hosts is the deploys' to do:
`deployments.lifecycle` makes one and takes it away.
"""

from environments.endpoints.ending import begin_ending, due, extend, remind, write_gone
from environments.endpoints.errors import (
    EndpointError,
    EndpointGone,
    EndpointTaken,
    NoOffer,
    NoPortLeft,
    TooMany,
    WrongName,
    WrongOffer,
)
from environments.endpoints.making import existing, make, offer_of, record
from environments.endpoints.names import FOLDER, name_of
from environments.endpoints.offering import FIELDS, facts_of, set_offer, withdraw_offer

__all__ = [
    "FIELDS",
    "FOLDER",
    "EndpointError",
    "EndpointGone",
    "EndpointTaken",
    "NoOffer",
    "NoPortLeft",
    "TooMany",
    "WrongName",
    "WrongOffer",
    "begin_ending",
    "due",
    "existing",
    "extend",
    "facts_of",
    "make",
    "name_of",
    "offer_of",
    "record",
    "remind",
    "set_offer",
    "withdraw_offer",
    "write_gone",
]
