"""Hosts as people paste them: one to a line. Pure: nothing is looked up.

    deploy@web-1.example.com               user, address; port 22
    deploy@10.0.0.7:2222 as web-2          a port, and what it shall be called
    deploy@web-3.internal via jump@bastion.example.com:2200
    via jump@bastion.example.com           for all lines below
    # a comment

`ssh -p 2222 -J jump@bastion deploy@web-4`, as it is typed, is taken too.

LinesWrong    `problems`: a sentence by the number of the line, from 1
"""

import re
import shlex
from collections.abc import Mapping
from dataclasses import dataclass

from django.core.exceptions import ValidationError

from environments.validation import validate_address, validate_name, validate_user

MOST_LINES = 2000
_PLACE = re.compile(
    r"(?:(?P<user>[^@\s]+)@)?(?P<address>\[[0-9A-Fa-f:.]+\]|[^\s:@\[\]]+|[0-9A-Fa-f:]{3,})(?::(?P<port>\d{1,6}))?"
)


class LinesWrong(ValueError):
    """`str()` is the sentence for every door."""

    def __init__(self, problems: Mapping[int, str]) -> None:
        self.problems = dict(problems)
        super().__init__(" ".join(f"Line {number}: {text}" for number, text in self.problems.items()))


class _Wrong(ValueError):
    pass


@dataclass(frozen=True)
class Place:
    """Where an SSH server listens, and as whom one signs in there."""

    user: str
    address: str
    port: int

    def __str__(self) -> str:
        address = f"[{self.address}]" if ":" in self.address else self.address
        return f"{self.user}@{address}" + (f":{self.port}" if self.port != 22 else "")


@dataclass(frozen=True)
class HostLine:
    """`name` is "" where none was said."""

    number: int
    place: Place
    via: Place | None
    name: str = ""


def read(text: str, *, user: str = "") -> tuple[HostLine, ...]:
    """`user` signs in where a line names nobody. Raises LinesWrong."""
    found: list[HostLine] = []
    problems: dict[int, str] = {}
    via: Place | None = None
    lines = text.splitlines()
    if len(lines) > MOST_LINES:
        raise LinesWrong({MOST_LINES + 1: f"There are {len(lines)} lines; at most {MOST_LINES} are taken at once."})
    for number, line in enumerate(lines, start=1):
        words = line.partition("#")[0].split()
        if not words:
            continue
        try:
            if words[0].lower() in {"via", "bastion", "jump"} and len(words) == 2:
                via = _place(words[1], user)
            else:
                found.append(_line(number, words, user, via))
        except _Wrong as error:
            problems[number] = str(error)
    _refuse_twice(found, problems)
    if problems:
        raise LinesWrong(problems)
    return tuple(found)


def _line(number: int, words: list[str], user: str, via: Place | None) -> HostLine:
    words = _typed(words) if words[0] == "ssh" else words
    rest = [word.lower() if word.lower() in {"via", "as"} else word for word in words[1:]]
    said = dict(zip(rest[::2], rest[1::2], strict=False))
    if len(rest) % 2 or not set(said) <= {"via", "as"} or len(said) * 2 != len(rest):
        raise _Wrong(f"{' '.join(words)!r} is no host. Write it as `user@host:port`, then perhaps `via user@bastion`.")
    name = said.get("as", "")
    _check(validate_name, name)
    through = _place(said["via"], user) if "via" in said else via
    return HostLine(number, _place(words[0], user), through, name)


def _typed(words: list[str]) -> list[str]:
    """A command as it is typed (`ssh -p 2222 -J jump deploy@web`) as a line of ours."""
    try:
        rest = shlex.split(" ".join(words[1:]))
    except ValueError:
        raise _Wrong("A quotation is not closed.") from None
    options: dict[str, str] = {}
    plain: list[str] = []
    while rest:
        word = rest.pop(0)
        if word in {"-p", "-J", "-l", "-i"} and rest:
            options[word] = rest.pop(0)
        elif word.startswith("-"):
            raise _Wrong(f"{word} means nothing here. Write the host as `user@host:port`.")
        else:
            plain.append(word)
    if len(plain) != 1:
        raise _Wrong("Of a command only its options and its host are taken.")
    user = f"{options['-l']}@" if "-l" in options and "@" not in plain[0] else ""
    port = f":{options['-p']}" if "-p" in options else ""
    return [f"{user}{plain[0]}{port}", *(["via", options["-J"]] if "-J" in options else [])]


def _place(text: str, user: str) -> Place:
    found = _PLACE.fullmatch(text)
    if found is None:
        raise _Wrong(f"{text!r} is no host. Write it as `user@host` or `user@host:port`.")
    name = found["user"] or user
    if not name:
        raise _Wrong(f"Who signs in on {text}? Write it as `deploy@{text}`.")
    address, port = found["address"].strip("[]"), int(found["port"] or 22)
    _check(validate_user, name)
    _check(validate_address, address)
    if not 1 <= port <= 65535:
        raise _Wrong(f"{port} is no port; ports go from 1 to 65535.")
    return Place(name, address.lower(), port)


def _check(validate: object, value: str) -> None:
    try:
        if value:
            validate(value)  # type: ignore[operator]
    except ValidationError as error:
        raise _Wrong(error.messages[0]) from None


def _refuse_twice(found: list[HostLine], problems: dict[int, str]) -> None:
    first: dict[tuple[str, int], int] = {}
    for line in found:
        key = (line.place.address, line.place.port)
        if key in first:
            problems[line.number] = f"{line.place} stands in line {first[key]} already."
        first.setdefault(key, line.number)


def name_of(place: Place, taken: set[str]) -> str:
    """What a host is called if nobody said it: the first word of its address, or more of it where that is taken."""
    numeric = re.fullmatch(r"[0-9.]+|[0-9a-f:]+", place.address) is not None
    whole = re.sub(r"[^a-z0-9]+", "-", place.address.lower()).strip("-")[:56].strip("-") or "host"
    short = (
        whole if numeric else re.sub(r"[^a-z0-9]+", "-", place.address.lower().split(".")[0]).strip("-")[:56].strip("-")
    )
    wanted = [short or whole, whole, f"{short or whole}-{place.port}", f"{whole}-{place.port}"]
    numbered = (f"{whole}-{number}" for number in range(2, MOST_LINES + 3))
    return next(name for name in (*wanted, *numbered) if name not in taken)
