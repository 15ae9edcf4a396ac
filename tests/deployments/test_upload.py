"""An upload goes on where one broke off only if what the host holds is the beginning of this archive."""

from hashlib import sha256
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest

from deployments import upload
from deployments.archives import Archive
from deployments.host_program import Wanted
from environments import ssh

DATA = bytes(range(256)) * 600


class Sent:
    """A channel that keeps what is sent."""

    def __init__(self) -> None:
        self.data = b""

    def send(self, data: bytes) -> None:
        self.data += data


@pytest.mark.parametrize(
    ("got", "held", "start"),
    [
        (0, b"", 0),
        (100_000, DATA[:100_000], 100_000),
        (100_000, b"of another archive" + DATA[18:100_000], 0),
        (100_000, DATA[:99_999], 0),
        (len(DATA) + 5, DATA + b"12345", 0),
        (len(DATA), DATA, len(DATA)),
    ],
)
def test_it_goes_on_only_behind_its_own_beginning(tmp_path: Path, got: int, held: bytes, start: int) -> None:
    file = tmp_path / "archive"
    file.write_bytes(DATA)
    archive = cast(Archive, SimpleNamespace(path_of=lambda what, packing: file))
    channel = Sent()
    wanted = Wanted("archive", "gz", got, sha256(held).hexdigest())
    upload.send(archive, cast(ssh.Channel, channel), wanted, interrupted=lambda: None)
    assert channel.data == f"{start}\n".encode() + DATA[start:]
