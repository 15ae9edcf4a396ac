"""What makes a demo host: its key, its folders, the environment of its commands, and its SSH server."""

import os
import shlex
import sys
from collections.abc import Mapping
from pathlib import Path

import asyncssh

from environments.demo.geography import DemoHost
from environments.demo.guard import MARKER_NAME
from environments.demo.layout import DemoFolder, write_text
from environments.demo.session import HostSession

USER = "deploy"
SYSTEM_PATH = ("/usr/local/bin", "/opt/homebrew/bin", "/usr/bin", "/bin", "/usr/sbin", "/sbin")
SERVICE_COMMAND = "demo-service"
OLD_IMAGE_ZONE = "us-east-b"
"""The zone whose hosts have an older machine image, so that one branch fails there and only there."""


class HostServer(asyncssh.SSHServer):
    """Lets the keys of one file in, and runs commands."""

    def __init__(self, authorized_keys: Path, home: Path, environment: Mapping[str, str]) -> None:
        self._authorized_keys = authorized_keys
        self._home = home
        self._environment = environment

    def begin_auth(self, username: str) -> bool:
        return True

    def public_key_auth_supported(self) -> bool:
        return True

    def validate_public_key(self, username: str, key: asyncssh.SSHKey) -> bool:
        return key.public_data in authorized(self._authorized_keys)

    def session_requested(self) -> HostSession:
        return HostSession(self._home, self._environment)


def authorized(path: Path) -> set[bytes]:
    """The public keys of a file, as bytes. Without the file nobody is let in; a line that is no key counts for none."""
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except FileNotFoundError:
        return set()
    keys = set()
    for line in lines:
        try:
            keys.add(asyncssh.import_public_key(line).public_data)
        except asyncssh.KeyImportError:
            continue
    return keys


def host_key(folder: Path) -> asyncssh.SSHKey:
    """A host's ed25519 key, made at the first start."""
    path = folder / "ssh_host_key"
    if path.exists():
        return asyncssh.read_private_key(path)
    key = asyncssh.generate_private_key("ssh-ed25519", comment=folder.name)
    write_text(path, key.export_private_key().decode(), mode=0o600)
    return key


def make_home(demo: DemoFolder, host: DemoHost) -> Path:
    """A host's HOME, with the list of what its machine image holds."""
    home = demo.home(host.name)
    (home / "srv").mkdir(parents=True, exist_ok=True)
    libvips = "8.12.2" if host.zone == OLD_IMAGE_ZONE else "8.15.1"
    write_text(home / ".image", f"zone {host.zone}\nlibvips {libvips}\nzstd 1.5.5\n")
    return home


def make_programs(demo: DemoFolder) -> None:
    """The commands that every host has besides its system's own: `python3` and the service manager."""
    demo.programs.mkdir(parents=True, exist_ok=True)
    python = shlex.quote(os.path.realpath(sys.executable))
    # A host has the standard library alone. Looking for more takes four times as long as all else of a start, and each
    # step of twelve hosts on one machine would wait for that.
    write_text(demo.programs / "python3", f'#!/bin/sh\nexec {python} -S "$@"\n', mode=0o755)
    client = shlex.quote(str(Path(__file__).with_name("service_client.py")))
    write_text(demo.programs / SERVICE_COMMAND, f'#!/bin/sh\nexec {python} -IS {client} "$@"\n', mode=0o755)


def host_environment(demo: DemoFolder, host: DemoHost, service_socket: Path) -> dict[str, str]:
    """The clean environment of a host's commands; nothing of the fleet's own comes in."""
    home = str(demo.home(host.name))
    return {
        "HOME": home,
        "USER": USER,
        "LOGNAME": USER,
        "SHELL": "/bin/sh",
        "PATH": os.pathsep.join((str(demo.programs), *SYSTEM_PATH)),
        "LANG": "en_US.UTF-8" if sys.platform == "darwin" else "C.UTF-8",
        "PYTHONDONTWRITEBYTECODE": "1",
        "DEMO_HOST": host.name,
        "DEMO_SERVICE_SOCKET": str(service_socket),
        MARKER_NAME: demo.marker,
    }
