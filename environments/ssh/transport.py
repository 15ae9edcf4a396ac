"""The way by which programs reach hosts: SSH, unless `settings.HOST_TRANSPORT` names another one.

Only benchmarks and tests set it, for hosts that exist in a program alone; it is not read from the environment.
"""

from collections.abc import Callable
from contextlib import AbstractContextManager
from functools import cache
from typing import Protocol

from django.conf import settings
from django.utils.module_loading import import_string

from environments.models import Host


class Channel(Protocol):
    """One program on a host: bytes in, bytes out."""

    def send(self, data: bytes) -> None:
        """Raises HostUnreachable when the link has died."""

    def receive(self, seconds: float, most: int = 1 << 16) -> bytes | None:
        """Bytes; b"" at the end of output; None when nothing came within `seconds`."""

    def check_link(self) -> None:
        """Ask the host for an answer, whatever the program does. Raises HostUnreachable when none comes."""


Transport = Callable[[Host, str, str], AbstractContextManager[Channel]]


def program(host: Host, user: str, command: str) -> AbstractContextManager[Channel]:
    """Run `command` on `host` as `user` and talk to it. Raises SSHError."""
    return _transport(settings.HOST_TRANSPORT)(host, user, command)


@cache
def _transport(path: str) -> Transport:
    found: Transport = import_string(path)
    return found
