"""Ports for servers of tests, which are given out now and listened on later."""

import itertools
import os

from deployer_site.network import is_free

# Below those of outgoing connections and of demo fleets, and a hundred for each process of those that run together:
# nobody else takes one between the look and the server's start. Who starts them together tells them apart by number;
# a process that was started alone takes one of the others.
_GROUP = os.environ.get("TEST_PORTS")
_FIRST = 10_000 + 100 * (int(_GROUP) if _GROUP else 20 + os.getpid() % 80)
OF_VALKEY = range(_FIRST, _FIRST + 20)
_others = itertools.cycle(range(_FIRST + 20, _FIRST + 100))


def free_port() -> int:
    """One where nobody listens; it is not given out again for long."""
    return next(port for port in _others if is_free("127.0.0.1", port))


def closed_port() -> int:
    """One where nobody listens, and nobody will."""
    return free_port()
