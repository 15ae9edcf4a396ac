"""Lines of a known_hosts file (sshd(8), "SSH_KNOWN_HOSTS FILE FORMAT"), hashed ones too. Pure.

KnownHostsWrong    a line cannot be read; `str()` says which and why
"""

import base64
import binascii
import hashlib
import hmac
from collections.abc import Iterable
from dataclasses import dataclass

from environments.ssh import ScannedKey
from environments.ssh.certificates import matches

MOST_CHARACTERS = 2_000_000
_TYPES = {"ssh-ed25519", "ecdsa-sha2-nistp256", "ecdsa-sha2-nistp384", "ecdsa-sha2-nistp521", "ssh-rsa"}


class KnownHostsWrong(ValueError):
    pass


@dataclass(frozen=True)
class Entry:
    """`patterns` as they stand there: names, `[name]:port`, patterns, or one hash."""

    patterns: tuple[str, ...]
    key: ScannedKey
    revoked: bool = False
    authority: bool = False

    def names(self, name: str) -> bool:
        """Whether it is about the host that is called so there."""
        if any(pattern.startswith("!") and matches(name, pattern[1:]) for pattern in self.patterns):
            return False
        return any(
            _is_hash_of(name, pattern) if pattern.startswith("|1|") else matches(name, pattern)
            for pattern in self.patterns
        )


def name_of(address: str, port: int) -> str:
    """What a host is called in known_hosts."""
    return address.lower() if port == 22 else f"[{address.lower()}]:{port}"


def read_key(algorithm: str, text: str) -> ScannedKey:
    """A public key in its two words. Raises KnownHostsWrong unless the one is what the other says."""
    try:
        blob = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise KnownHostsWrong(f"{text[:20]}… is no public key.") from None
    length = int.from_bytes(blob[:4], "big")
    if algorithm not in _TYPES or blob[4 : 4 + length] != algorithm.encode():
        raise KnownHostsWrong(f"{algorithm} {text[:20]}… is no public key of a kind that is spoken here.")
    return ScannedKey(algorithm, text)


def read(text: str) -> tuple[Entry, ...]:
    """All keys in it; those of authorities are left out. Raises KnownHostsWrong."""
    return tuple(entry for entry in _read(text) if not entry.authority)


def read_authorities(text: str) -> tuple[Entry, ...]:
    """The lines that begin with `@cert-authority`. Raises KnownHostsWrong."""
    return tuple(entry for entry in _read(text) if entry.authority)


def _read(text: str) -> tuple[Entry, ...]:
    if len(text) > MOST_CHARACTERS:
        raise KnownHostsWrong("That is too much for a known_hosts file. Paste the lines of these hosts only.")
    found = []
    for number, line in enumerate(text.splitlines(), start=1):
        words = line.split()
        if not words or words[0].startswith("#"):
            continue
        marker = words.pop(0) if words[0].startswith("@") else ""
        if len(words) < 3:
            raise KnownHostsWrong(f"Line {number} is no line of known_hosts: names, kind of key, key.")
        if words[1] not in _TYPES:
            continue  # a kind that is spoken nowhere any more, or not by us
        try:
            key = read_key(words[1], words[2])
        except KnownHostsWrong as error:
            raise KnownHostsWrong(f"Line {number}: {error}") from None
        found.append(Entry(tuple(words[0].split(",")), key, marker == "@revoked", marker == "@cert-authority"))
    return tuple(found)


def keys_of(entries: Iterable[Entry], name: str) -> list[ScannedKey]:
    """The keys that the entries give to this host, none of them revoked."""
    about = [entry for entry in entries if entry.names(name)]
    revoked = {entry.key.key for entry in about if entry.revoked}
    keys = [entry.key for entry in about if not entry.revoked and entry.key.key not in revoked]
    return list(dict.fromkeys(keys))


def _is_hash_of(name: str, pattern: str) -> bool:
    try:
        _, _, salt, digest = pattern.split("|")
        made = hmac.new(base64.b64decode(salt), name.encode(), hashlib.sha1).digest()
        return hmac.compare_digest(made, base64.b64decode(digest))
    except (binascii.Error, ValueError):
        return False
