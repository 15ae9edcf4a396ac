"""Which keys of hosts and git hosts are trusted. None is, without someone having said so.

Errors:

    HostKeyError
    ├── NotShown       nothing there shows a key with the fingerprint that was accepted
    ├── KeyDiffers     another key of that kind is trusted already, and was not named to be replaced
    └── NotTrusted     the key that shall be replaced is none of the trusted ones
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from django.core.exceptions import ValidationError
from django.db import transaction

from environments import ssh
from environments.models import GitHostKey, Host, HostKey
from environments.ssh import ScannedKey
from environments.validation import validate_address
from notifications import events

_GIT_HOST = re.compile(r"(?:\[(?P<bracketed>[^\]]+)\]:(?P<port>[0-9]{1,5})|(?P<plain>[^\[\]:]+))")


class HostKeyError(Exception):
    """`str()` is the sentence for every door."""


class NotShown(HostKeyError):
    pass


class KeyDiffers(HostKeyError):
    pass


class NotTrusted(HostKeyError):
    pass


@dataclass(frozen=True)
class GitHost:
    """A git host as known_hosts names it: `host`, or `[host]:port`."""

    name: str
    address: str
    port: int


def read_git_host(name: str) -> GitHost:
    """Raises ValidationError."""
    found = _GIT_HOST.fullmatch(name.lower())
    if found is None:
        raise ValidationError(f"{name!r} is no git host. Write it as `host`, or as `[host]:port`.")
    address, port = found["bracketed"] or found["plain"], int(found["port"] or 22)
    validate_address(address)
    if not 1 <= port <= 65535:
        raise ValidationError(f"{port} is no port.")
    return GitHost(address if port == 22 else f"[{address}]:{port}", address, port)


def choose(shown: Iterable[ScannedKey], fingerprint: str) -> ScannedKey:
    """The key that was accepted by its fingerprint. Raises NotShown."""
    found = list(shown)
    for key in found:
        if key.fingerprint == fingerprint:
            return key
    seen = ", ".join(key.fingerprint for key in found)
    raise NotShown(f"No key with the fingerprint {fingerprint} was shown, but {seen}. Nothing was accepted.")


def accept(*, host: Host, key: ScannedKey, by: str, replace: str = "") -> HostKey:
    """From now on `host` is spoken to when it shows this key. Raises KeyDiffers, NotTrusted.

    A trusted key of the same algorithm is replaced only if `replace` is its fingerprint. Accepting twice is harmless.
    """
    with transaction.atomic():
        Host.objects.select_for_update().only("pk").get(pk=host.pk)
        trusted = HostKey.objects.filter(host=host)
        if row := trusted.filter(key=key.key).first():
            return row
        _make_room(host.name, list(trusted), key, replace)
        # a warm connection was made under the old trust
        transaction.on_commit(lambda: ssh.forget(host))
        Host.objects.filter(pk=host.pk, observed=True).update(asked_at=None)  # it may be looked at now
        _record(by, key, replace, host=host.name)
        return HostKey.objects.create(host=host, algorithm=key.algorithm, key=key.key, accepted_by=by)


def accept_git(*, host: GitHost, key: ScannedKey, by: str, replace: str = "") -> GitHostKey:
    """The same for a git host. Raises KeyDiffers, NotTrusted."""
    with transaction.atomic():
        trusted = GitHostKey.objects.filter(host=host.name)
        if row := trusted.filter(key=key.key).first():
            return row
        _make_room(host.name, list(trusted), key, replace)
        _record(by, key, replace, git_host=host.name)
        return GitHostKey.objects.create(host=host.name, algorithm=key.algorithm, key=key.key, accepted_by=by)


def in_the_way(host: Host, key: ScannedKey) -> str:
    """The fingerprint of another trusted key of that kind; "" if there is none."""
    return _other(HostKey.objects.filter(host=host, algorithm=key.algorithm), key)


def in_the_way_git(host: GitHost, key: ScannedKey) -> str:
    """The same for a git host."""
    return _other(GitHostKey.objects.filter(host=host.name, algorithm=key.algorithm), key)


def _other(rows: Iterable[HostKey | GitHostKey], key: ScannedKey) -> str:
    return next((ssh.fingerprint(row.key) for row in rows if row.key != key.key), "")


def distrust(key: HostKey, *, by: str) -> None:
    """The key opens nothing any more; a host without a trusted key is not spoken to."""
    host = key.host
    with transaction.atomic():
        fingerprint = ssh.fingerprint(key.key)
        events.record("host.key_distrusted", by, host=host.name, algorithm=key.algorithm, fingerprint=fingerprint)
        key.delete()
        transaction.on_commit(lambda: ssh.forget(host))


def _make_room(name: str, trusted: Sequence[HostKey | GitHostKey], key: ScannedKey, replace: str) -> None:
    """Remove the row that was named to be replaced; refuse when another one of that algorithm is in the way."""
    named = [row for row in trusted if replace and ssh.fingerprint(row.key) == replace]
    if replace and not named:
        raise NotTrusted(f"{replace} is no trusted key of {name}, so it cannot be replaced. Nothing was changed.")
    for row in trusted:
        if row.algorithm == key.algorithm and row not in named:
            old = ssh.fingerprint(row.key)
            raise KeyDiffers(
                f"{name} is trusted by another {key.algorithm} key, {old}. If the machine was really made anew, "
                f"accept with --replace {old}. Nothing was changed."
            )
    for row in named:
        row.delete()


def _record(by: str, key: ScannedKey, replaced: str, **facts: Any) -> None:
    facts |= {"algorithm": key.algorithm, "fingerprint": key.fingerprint, "replaced": replaced}
    events.record("host.key_accepted", by, **facts)
