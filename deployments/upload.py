"""An archive on its way to a host: in one go, or from where an earlier upload broke off."""

from collections.abc import Callable
from functools import lru_cache
from hashlib import sha256
from io import BytesIO
from pathlib import Path
from typing import BinaryIO

from deployments.archives import Archive
from deployments.host_program import Wanted, upload_from
from environments import ssh

BLOCK = 1 << 16
SMALL = 1 << 18


def _opened(path: Path) -> BinaryIO:
    """A small one is read once: hundreds of hosts ask for it within seconds."""
    facts = path.stat()
    return BytesIO(_read(path, facts.st_mtime_ns)) if facts.st_size <= SMALL else path.open("rb")


@lru_cache(maxsize=16)
def _read(path: Path, _: int) -> bytes:
    return path.read_bytes()


def send(archive: Archive | None, channel: ssh.Channel, wanted: Wanted, *, interrupted: Callable[[], None]) -> None:
    """Send what a host asks for; `interrupted` may raise, and is called before each block. Raises HostUnreachable."""
    assert archive is not None, "a host asks only for what it was offered"
    with _opened(archive.path_of(wanted.what, wanted.packing)) as source:
        start = wanted.got if wanted.got and sha256(source.read(wanted.got)).hexdigest() == wanted.sha256 else 0
        source.seek(start)
        channel.send(upload_from(start).encode())
        while block := source.read(BLOCK):
            interrupted()
            channel.send(block)
