"""Secrets are replaced before a line is stored, also across the borders of what was read. Pure."""

import base64
import re
import shlex
from bisect import bisect_left
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from urllib.parse import quote, quote_plus

MASK = b"***"
LEAST = 4
LEAST_LINE = 8


def forms(secret: str) -> set[bytes]:
    """How a secret may show: as it is, quoted for URL and shell, base64 and hex, and each line of one with several."""
    raw = secret.encode()
    shown = {secret, quote(secret, safe=""), quote_plus(secret), shlex.quote(secret), raw.hex(), raw.hex().upper()}
    shown |= {base64.b64encode(raw).decode(), base64.urlsafe_b64encode(raw).decode()}
    shown |= {line for line in _in_base64(raw) if len(line) >= LEAST_LINE}
    shown |= {line for line in secret.splitlines() if len(line) >= LEAST_LINE}
    shown |= {secret.replace("\n", "\r\n"), secret.strip()}
    return {form.encode() for form in shown if len(form) >= LEAST}


def _in_base64(raw: bytes) -> Iterator[str]:
    """What shows of it within the base64 of a longer text (`echo "$TOKEN" | base64`), or in lines of 76 characters."""
    yield from base64.encodebytes(raw).decode().splitlines()
    for before in range(3):
        # the characters at both ends are made of neighbours' bits too, so they are left out
        first, last = -(-before * 8 // 6), (before + len(raw)) * 8 // 6
        for encode in (base64.b64encode, base64.urlsafe_b64encode):
            yield encode(bytes(before) + raw).decode()[first:last]


@dataclass(frozen=True)
class _Search:
    """All forms, the longest first, a pattern of them, and with what output ends in which a form may be beginning."""

    known: list[bytes]
    pattern: re.Pattern[bytes] | None
    ends: frozenset[bytes]
    last: frozenset[int]  # bytes of those ends; most output ends with a newline, which is none of them
    sizes: list[int]  # of the forms, below 0 so that they rise

    def occurs(self, data: bytes) -> bool:
        """Most output holds no secret, and looking for each form by itself is far quicker than the pattern."""
        fitting = self.known[bisect_left(self.sizes, -len(data)) :]
        return any(map(data.__contains__, fitting))


@lru_cache(maxsize=256)
def _search_for(secrets: frozenset[str]) -> _Search:
    """Made once, for there is a redactor per mark of a program."""
    known = sorted({form for secret in secrets for form in forms(secret)}, key=lambda form: (-len(form), form))
    short = {form[:size] for form in known for size in range(1, LEAST)}
    long = {form[at : at + LEAST] for form in known for at in range(len(form) - LEAST)}
    pattern = re.compile(b"|".join(map(re.escape, known))) if known else None
    ends = short | long
    return _Search(known, pattern, frozenset(ends), frozenset(end[-1] for end in ends), [-len(form) for form in known])


def prepare_for(secrets: frozenset[str]) -> None:
    """Make what is needed to look for them; else hundreds of threads would begin to at once."""
    _search_for(secrets)


def masked(data: bytes, secrets: frozenset[str]) -> bytes:
    """A whole text without its secrets."""
    search = _search_for(secrets)
    return search.pattern.sub(MASK, data) if search.pattern and search.occurs(data) else data


@dataclass(frozen=True)
class Literal:
    """Bytes that passed as they were; `start` is where they stood in the input."""

    start: int
    data: bytes


class Redactor:
    """Feed bytes in any pieces; what comes out holds no secret. The tail that may yet become one is held back."""

    def __init__(self, secrets: Iterable[str], start: int = 0) -> None:
        self._search = _search_for(frozenset(secrets))
        self._held = b""
        self._start = start

    def restart(self, start: int) -> None:
        """Go on behind something that was not fed, after `end`."""
        self._start = start

    def feed(self, data: bytes) -> list[Literal]:
        """The pieces that are certain now; a mask is a Literal too, at the start of what it hides."""
        if self._search.pattern is None:
            piece = Literal(self._start, data)
            self._start += len(data)
            return [piece] if data else []
        buffer = self._held + data
        out, at = self._pass(buffer, waiting=True)
        self._held = buffer[at:]
        self._start += at
        return out

    def end(self) -> list[Literal]:
        """What was held back: nothing more will come."""
        if not self._held:
            return []
        out, at = self._pass(self._held, waiting=False)
        self._start += at
        self._held = b""
        return out

    def _pass(self, buffer: bytes, *, waiting: bool) -> tuple[list[Literal], int]:
        out: list[Literal] = []
        at = 0
        if not buffer:
            return out, at
        pattern = self._search.pattern if self._search.occurs(buffer) else None
        while at < len(buffer):
            hold = self._hold(buffer, at) if waiting else len(buffer)
            found = pattern.search(buffer, at) if pattern else None
            if found is None or hold <= found.start():
                if hold > at:
                    out.append(Literal(self._start + at, buffer[at:hold]))
                return out, hold
            if found.start() > at:
                out.append(Literal(self._start + at, buffer[at : found.start()]))
            out.append(Literal(self._start + found.start(), MASK))
            at = found.end()
        return out, at

    def _hold(self, buffer: bytes, at: int) -> int:
        """The first place from which the rest of the buffer is the beginning of a form."""
        first, ends = len(buffer), self._search.ends
        if buffer[-1] not in self._search.last or not any(buffer[-size:] in ends for size in range(1, LEAST + 1)):
            return first
        for form in self._search.known:
            place = buffer.find(form[:1], max(at, len(buffer) - len(form) + 1), first)
            while place >= 0:
                if form.startswith(buffer[place:]):
                    first = place
                    break
                place = buffer.find(form[:1], place + 1, first)
        return first
