"""Where the demo keeps its files: everything lies under one folder, `$VAR/demo`."""

import json
import os
import tempfile
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path


@dataclass(frozen=True)
class DemoFolder:
    """The paths of the demo under its folder."""

    path: Path

    @property
    def fleet_file(self) -> Path:
        """What listens where: written once all hosts answer."""
        return self.path / "fleet.json"

    @property
    def authorized_keys(self) -> Path:
        """Who may log in, one public key a line; read at each login."""
        return self.path / "authorized_keys"

    @property
    def lock(self) -> Path:
        """Held by the fleet and by its guard, so that a new fleet starts after the old one's last process is gone."""
        return self.path / "lock"

    @property
    def programs(self) -> Path:
        """Commands that all hosts find first on their PATH."""
        return self.path / "bin"

    @property
    def repositories(self) -> Path:
        """The bare git repositories of the demo's applications."""
        return self.path / "repositories"

    @property
    def marker(self) -> str:
        """Stands in the environment of everything that a host runs. It lasts, so that a later fleet can sweep too."""
        return sha256(os.fsencode(self.path.resolve())).hexdigest()[:24]

    def host(self, name: str) -> Path:
        """A host's own folder."""
        return self.path / "hosts" / name

    def home(self, name: str) -> Path:
        """Where a host's commands run: its HOME."""
        return self.host(name) / "home"


def write_json(path: Path, value: object) -> None:
    """Replace a JSON file in one step, so that a reader sees the old or the new one, never a half."""
    write_text(path, json.dumps(value, indent=2) + "\n")


def write_text(path: Path, text: str, mode: int = 0o644) -> None:
    """Replace a text file in one step."""
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor, temporary = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    with open(descriptor, "w", encoding="utf-8") as file:
        os.fchmod(descriptor, mode)
        file.write(text)
    os.replace(temporary, path)
