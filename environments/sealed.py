"""Secrets at rest, for all that is set up here; channels have some too, so that notifications holds the sealing."""

from notifications.sealed import CannotOpen as CannotOpen
from notifications.sealed import seal as seal
from notifications.sealed import unseal as unseal
