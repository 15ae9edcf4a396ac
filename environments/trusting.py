"""Keys of many hosts confirmed in one act: looked at, compared with a list that a person trusts, and approved.

Only of hosts of which no key is trusted yet: a key that has changed is looked at by itself, never among others.

TrustError
├── ListWrong       the list that was pasted cannot be read
├── NotUnconfirmed  a host has a trusted key already, is known no more, or too many were named
└── NotAsApproved   a host shows no key of the fingerprint that was approved
"""

import re
from collections.abc import Callable, Collection, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from django.db import connection, transaction
from django.db.models import Q, QuerySet

from environments import access, host_keys, known_hosts, ssh
from environments.models import Host, User
from environments.ssh import ScannedKey

MOST = 500
THREADS = 32
_FINGERPRINT = re.compile(r"SHA256:[A-Za-z0-9+/]{43}")


class TrustError(Exception):
    """`str()` is the sentence for every door."""


class ListWrong(TrustError):
    pass


class NotUnconfirmed(TrustError):
    pass


class NotAsApproved(TrustError):
    pass


@dataclass(frozen=True)
class Looked:
    """What a host shows. `verdict`: agrees, differs or absent, by the list that was given; "" without one."""

    host: Host
    shown: tuple[ScannedKey, ...]
    verdict: str = ""
    agreed: ScannedKey | None = None
    trouble: str = ""

    @property
    def key(self) -> ScannedKey | None:
        """The key to approve: the one that agrees, else the first of those that it shows."""
        return self.agreed or (self.shown[0] if self.shown else None)


@dataclass(frozen=True)
class Known:
    """A list that a person trusts: lines of known_hosts (or what ssh-keyscan prints), and fingerprints with names."""

    entries: tuple[known_hosts.Entry, ...] = ()
    fingerprints: tuple[tuple[str, frozenset[str]], ...] = ()

    def of(self, host: Host) -> set[str]:
        """The fingerprints that it gives to this host."""
        named = known_hosts.name_of(host.address, host.port)
        names = {named, host.name}
        keys = [key for name in names for key in known_hosts.keys_of(self.entries, name)]
        said = {mark for mark, words in self.fingerprints if words & (names | {host.address.lower()})}
        return {key.fingerprint for key in keys} | said


def read_list(text: str) -> Known:
    """Lines that hold `SHA256:…` name a host beside it, as `ssh-keygen -lf` does. Raises ListWrong."""
    lines = text.splitlines()
    marked = [line for line in lines if _FINGERPRINT.search(line)]
    try:
        entries = known_hosts.read("\n".join("" if line in marked else line for line in lines))
    except known_hosts.KnownHostsWrong as error:
        raise ListWrong(f"{error} Nothing was changed.") from None
    found = []
    for line in marked:
        words = {word.lower().rpartition("@")[2].rstrip(",;:") for word in line.split()}
        found += [(mark, frozenset(words)) for mark in _FINGERPRINT.findall(line)]
    return Known(entries, tuple(found))


def unconfirmed() -> QuerySet[Host]:
    """Hosts of which nobody has confirmed a key."""
    return Host.objects.filter(keys=None).select_related("zone__region__gateway").order_by("name")


def look(names: Collection[str], *, text: str = "", by: User | None) -> list[Looked]:
    """What these hosts show now, compared with the list in `text`. Raises ListWrong, NotUnconfirmed, NotAllowed."""
    access.require(by, access.ADMINISTER)
    known = read_list(text)
    return _each(_find(names), lambda host: _look(host, known if text.strip() else None))


def approve(chosen: Mapping[str, str], *, by: User | None) -> list[Host]:
    """Trust these hosts by these fingerprints, all of them or none: each must still show the key that was approved.

    Raises NotUnconfirmed, NotAsApproved, NotAllowed.
    """
    access.require(by, access.ADMINISTER)
    hosts = _find(chosen)
    found = {one.host.name: one for one in _each(hosts, lambda host: _look(host, None))}
    keys = {name: _chosen(found[name], mark) for name, mark in chosen.items()}
    with transaction.atomic():
        locked = {row.pk for row in Host.objects.select_for_update().filter(pk__in=[host.pk for host in hosts])}
        taken = Host.objects.filter(pk__in=locked).exclude(keys=None).values_list("name", flat=True)
        _refuse([*taken, *(host.name for host in hosts if host.pk not in locked)])
        for host in hosts:
            host_keys.accept(host=host, key=keys[host.name], by=by.username if by else "")
    return hosts


def _chosen(looked: Looked, mark: str) -> ScannedKey:
    if looked.trouble:
        raise NotAsApproved(f"{looked.trouble} Nothing was accepted.")
    try:
        return host_keys.choose(looked.shown, mark)
    except host_keys.NotShown as error:
        raise NotAsApproved(f"{looked.host.name}: {error}") from None


def _find(names: Collection[str]) -> list[Host]:
    if len(names) > MOST:
        raise NotUnconfirmed(f"At most {MOST} hosts are confirmed at once. Nothing was changed.")
    hosts = list(unconfirmed().filter(Q(name__in=list(names))))
    _refuse(sorted(set(names) - {host.name for host in hosts}))
    return hosts


def _refuse(names: Sequence[str]) -> None:
    if names:
        many = len(names) > 1
        told = f"{', '.join(names[:5])}{' and more' if len(names) > 5 else ''}"
        raise NotUnconfirmed(
            f"{told} {'are' if many else 'is'} no host without a confirmed key. A key that has changed is compared on "
            "its host's own page, never among others. Nothing was changed."
        )


def _each(hosts: Sequence[Host], act: Callable[[Host], Looked]) -> list[Looked]:
    def one(host: Host) -> Looked:
        try:
            return act(host)
        finally:
            connection.close()

    if not hosts:
        return []
    with ThreadPoolExecutor(min(THREADS, len(hosts)), thread_name_prefix="scan") as pool:
        return list(pool.map(one, hosts))


def _look(host: Host, known: Known | None) -> Looked:
    try:
        shown = tuple(ssh.scan_host(host))
    except ssh.SSHError as error:
        return Looked(host, (), trouble=str(error))
    if known is None:
        return Looked(host, shown)
    said = known.of(host)
    agreed = next((key for key in shown if key.fingerprint in said), None)
    return Looked(host, shown, "agrees" if agreed else "differs" if said else "absent", agreed)
