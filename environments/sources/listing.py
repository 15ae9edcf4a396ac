"""What a source says: hosts, and what could not be understood. Pure values.

SourceError
├── SettingsWrong     what was typed cannot be; `problems` by the name of the field
├── NotReadable       it could not be read, is too large, or took too long
├── NameTaken         there is a source of that name, or hosts that say they came from one
├── SaysOtherwise     it no longer says what a person has seen and accepted
└── NothingToAccept   it takes nothing away
"""

from collections.abc import Mapping
from dataclasses import dataclass

from environments.host_lines import Place
from environments.ssh import ScannedKey
from notifications.asking import Field as Field
from notifications.asking import Told as Told

MOST_HOSTS = 5000


class SourceError(Exception):
    """`str()` is the sentence for every door."""


class SettingsWrong(SourceError):
    def __init__(self, problems: Mapping[str, str]) -> None:
        self.problems = dict(problems)
        super().__init__(" ".join([*self.problems.values(), "Nothing was saved."]))


class NotReadable(SourceError):
    pass


class NameTaken(SourceError):
    pass


class SaysOtherwise(SourceError):
    pass


class NothingToAccept(SourceError):
    pass


@dataclass(frozen=True)
class Found:
    """A host as a source names it, by its own word `key`. `user`, `name` and `zone` (`region/zone`) may be ""."""

    key: str
    address: str
    port: int = 22
    user: str = ""
    name: str = ""
    via: Place | None = None
    roles: tuple[str, ...] = ()
    labels: tuple[tuple[str, str], ...] = ()
    zone: str = ""
    host_keys: tuple[ScannedKey, ...] = ()

    @property
    def place(self) -> str:
        address = f"[{self.address}]" if ":" in self.address else self.address
        return address + (f":{self.port}" if self.port != 22 else "")


@dataclass(frozen=True)
class Wrong:
    """`where` it stands, as `Line 3` or a host's name, and what is wrong there."""

    where: str
    text: str

    def __str__(self) -> str:
        return f"{self.where}: {self.text}"


@dataclass(frozen=True)
class Listing:
    """`left_out`: what is no host for us, which is no mistake."""

    hosts: tuple[Found, ...] = ()
    wrong: tuple[Wrong, ...] = ()
    left_out: tuple[Wrong, ...] = ()


@dataclass(frozen=True)
class Asked:
    """What a kind is given to read: its settings, its opened secret, and how long it may take."""

    settings: Mapping[str, str]
    secret: str = ""
    user: str = ""
    seconds: float = 30.0
    source: int | None = None  # the row's id; None for one that is not saved yet


def refuse_twice(hosts: list[Found], wrong: list[Wrong]) -> tuple[Found, ...]:
    """Of hosts with the same word or the same address only the first."""
    kept: list[Found] = []
    keys: set[str] = set()
    places: dict[tuple[str, int], str] = {}
    for host in hosts:
        first = places.setdefault((host.address.lower(), host.port), host.key)
        if host.key in keys:
            wrong.append(Wrong(host.key, "It is named twice."))
        elif first != host.key:
            wrong.append(Wrong(host.key, f"{host.place} is {first} already."))
        else:
            keys.add(host.key)
            kept.append(host)
    return tuple(kept)
