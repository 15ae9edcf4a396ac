"""An archive on its way to a host: in one go, or from where an earlier upload broke off."""

from collections.abc import Callable
from hashlib import sha256

from deployments.archives import Archive
from deployments.host_program import Wanted, upload_from
from environments import ssh

BLOCK = 1 << 16


def send(archive: Archive | None, channel: ssh.Channel, wanted: Wanted, *, interrupted: Callable[[], None]) -> None:
    """Send what a host asks for; `interrupted` may raise, and is called before each block. Raises HostUnreachable."""
    assert archive is not None, "a host asks only for what it was offered"
    with archive.path_of(wanted.what, wanted.packing).open("rb") as source:
        start = wanted.got if wanted.got and sha256(source.read(wanted.got)).hexdigest() == wanted.sha256 else 0
        source.seek(start)
        channel.send(upload_from(start).encode())
        while block := source.read(BLOCK):
            interrupted()
            channel.send(block)
