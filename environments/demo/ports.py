"""Ports of the demo: below the range that the system gives to outgoing connections, the same at every start."""

import socket
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path

LOOPBACK = "127.0.0.1"
FIRST, BLOCK, BLOCKS = 20000, 100, 100


class NoFreePort(Exception):
    """Every port of the demo's range is taken."""


def candidates(folder: Path, offset: int) -> Iterator[int]:
    """Ports to try, best first: two installations begin in different blocks and so seldom meet."""
    start = int(sha256(str(folder.resolve()).encode()).hexdigest(), 16) % BLOCKS
    for turn in range(BLOCKS):
        yield FIRST + ((start + turn) % BLOCKS) * BLOCK + offset


def listen_on(ports: Iterator[int]) -> socket.socket:
    """A listening loopback socket on the first of the ports that is free."""
    for port in ports:
        sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            sock.bind((LOOPBACK, port))
            sock.listen(128)
        except OSError:  # taken by somebody else
            sock.close()
            continue
        sock.setblocking(False)
        return sock
    raise NoFreePort(
        f"The demo found no free port between {FIRST} and {FIRST + BLOCK * BLOCKS - 1} on {LOOPBACK}. "
        "End what listens there, or start with DEMO=0."
    )


def free_port(ports: Iterator[int]) -> int:
    """The first of the ports that nobody listens on now."""
    with listen_on(ports) as sock:
        port: int = sock.getsockname()[1]
        return port
