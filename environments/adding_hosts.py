"""Adding hosts to an environment, and trusting them: nothing is sent to any before a person has said so.

HostsError
├── HostTaken         a name or an address is another host's already
├── LabelsWrong       labels that cannot be, or that a source says
├── HostElsewhere     a host is reached by another way than the line says
├── HostGiven         a source says what its roles are
└── HostInUse         a target runs its command there, or others are reached through it
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from django.db import transaction
from django.db.models import ProtectedError

from environments import access, host_keys, host_lines, known_hosts, observing, places, ssh
from environments.host_lines import HostLine, Place
from environments.models import Environment, Host, HostKey, HostSource, Membership, Region, User, Zone
from environments.sources import inventories
from environments.ssh import ScannedKey
from notifications import events

BEHIND = "hosts"  # what the zone of hosts behind a bastion is called


class HostsError(Exception):
    """`str()` is the sentence for every door."""


class HostTaken(HostsError):
    pass


class LabelsWrong(HostsError):
    pass


class HostElsewhere(HostsError):
    pass


class HostGiven(HostsError):
    pass


class HostInUse(HostsError):
    pass


@dataclass
class Added:
    """The hosts of the lines, and which of them are new here."""

    environment: Environment
    hosts: list[Host] = field(default_factory=list)
    new: list[Host] = field(default_factory=list)


def add_hosts(
    lines: Iterable[HostLine], *, environment: str, observe: bool = False, root: str = "", by: User | None
) -> Added:
    """All of them or none. A host that is there already, by address and port, becomes a member as it is.

    With `observe` they are only looked at, in `root` where no target says the folder. The environment is made if there
    is none of that name. Raises HostsError, PlaceError, WrongFolder, NotAllowed.
    """
    access.require(by, access.ADMINISTER)
    observing.check_folder(root)
    with transaction.atomic():
        there = Environment.objects.filter(name=environment).first()
        added = Added(there or places.add_environment(environment, by=by))
        for line in lines:
            host, new = _find_or_make(line.place, line.name, by)
            if line.via:
                lead_through(host, line.via, by=by)
            _, joined = Membership.objects.get_or_create(environment=added.environment, host=host)
            if joined:
                _record("host.added", by, host, environment=environment)
            added.hosts.append(host)
            if new:
                added.new.append(host)
            if observe:
                _only_observe(host, new, root, by)
    return added


def _only_observe(host: Host, new: bool, root: str, by: User | None) -> None:
    if new:
        observing.begin(host, root=root, by=by)
    elif not host.observed:
        raise HostTaken(
            f"{host.name} ({host.address}:{host.port}) is deployed to already, so it cannot be only observed. "
            "Nothing was changed."
        )


def add_host(name: str, place: Place, *, observe: bool = False, root: str = "", by: User | None) -> Host:
    """A host that is in no environment yet. Raises HostTaken, NotAllowed, WrongFolder, ValidationError."""
    access.require(by, access.ADMINISTER)
    with transaction.atomic():
        host, new = _find_or_make(place, name, by)
        if not new:
            raise HostTaken(f"{place.address}:{place.port} is {host.name} already. Nothing was changed.")
        _record("host.added", by, host)
        if observe:
            observing.begin(host, root=root, by=by)
    return host


def join(host: Host, environment: Environment, *, roles: Sequence[str], by: User | None) -> bool:
    """The host is there, with these roles; whether something changed. Raises HostGiven, NotAllowed."""
    access.require(by, access.ADMINISTER)
    with transaction.atomic():
        member, joined = Membership.objects.get_or_create(
            environment=environment, host=host, defaults={"roles": list(roles)}
        )
        if joined:
            _record("host.added", by, host, environment=environment.name, roles=list(roles))
        elif member.roles != list(roles):
            if is_given(member):
                raise HostGiven(
                    f"{member.source} says which roles {host.name} has in {environment.name}. Change them there. "
                    "Nothing was changed."
                )
            member.roles = list(roles)
            member.save(update_fields=["roles"])
            _record("host.roles_changed", by, host, environment=environment.name, roles=list(roles))
        else:
            return False
    return True


def is_given(member: Membership) -> bool:
    """Whether a source says what it is; else a person does."""
    return HostSource.objects.filter(name=member.source).exists()


def credit(host: Host, source: str, *, by: User | None) -> None:
    """The source of this name says where the host is from now on; "": a person does. Raises NotAllowed."""
    access.require(by, access.ADMINISTER)
    before = host.found_by or "what a person says"
    host.found_by = source
    host.full_clean()
    with transaction.atomic():
        host.save(update_fields=["found_by"])
        _record("host.changed", by, host, before=before, now=source or "what a person says")


def label(host: Host, environment: Environment, labels: Mapping[str, str], *, by: User | None) -> bool:
    """By which targets choose it there; whether something changed. Raises LabelsWrong, NotAllowed."""
    access.require(by, access.ADMINISTER)
    try:
        wanted = dict(inventories.read_labels(dict(labels)))
    except ValueError as error:
        raise LabelsWrong(f"{error} Nothing was changed.") from None
    with transaction.atomic():
        member = Membership.objects.select_for_update().filter(environment=environment, host=host).first()
        if member is None:
            raise LabelsWrong(f"{host.name} is not in {environment.name}. Nothing was changed.")
        if member.labels == wanted:
            return False
        if is_given(member):
            raise LabelsWrong(f"{member.source} says which labels {host.name} has. Change them there.")
        member.labels = wanted
        member.save(update_fields=["labels"])
        told = ", ".join(f"{name}={value}" for name, value in wanted.items()) or "none"
        _record("host.labelled", by, host, environment=environment.name, labels=told)
    return True


def change_host(host: Host, place: Place, *, by: User | None) -> None:
    """It listens elsewhere, or is signed in to as somebody else; its keys stay. Raises HostTaken, NotAllowed."""
    access.require(by, access.ADMINISTER)
    other = Host.objects.filter(address=place.address, port=place.port).exclude(pk=host.pk).first()
    if other:
        raise HostTaken(f"{place.address}:{place.port} is {other.name} already. Nothing was changed.")
    before = f"{host.user}@{host.address}:{host.port}"
    host.address, host.port, host.user = place.address, place.port, place.user
    with transaction.atomic():
        host.save(update_fields=["address", "port", "user"])
        Host.objects.filter(pk=host.pk, observed=True).update(asked_at=None)
        _record("host.changed", by, host, before=before, now=f"{place.user}@{place.address}:{place.port}")
        transaction.on_commit(lambda: ssh.forget(host))


def take_out(host: Host, environment: Environment, *, by: User | None) -> None:
    """Out of this environment; forgotten, if it is in no other. Nothing is done on it. Raises HostInUse, NotAllowed."""
    access.require(by, access.ADMINISTER)
    with transaction.atomic():
        Membership.objects.filter(host=host, environment=environment).delete()
        _record("host.removed", by, host, environment=environment.name)
        if host.memberships.exists():
            return
        transaction.on_commit(lambda: ssh.forget(host))
        try:
            host.delete()
        except ProtectedError:
            raise HostInUse(
                f"{host.name} is the way to other hosts, or runs a target's command. Nothing was changed."
            ) from None


def trust(host: Host, keys: Iterable[ScannedKey], *, by: User | None, replace: bool = False) -> list[HostKey]:
    """A person has compared the fingerprints and says that these keys are the host's.

    With `replace`, they take the place of trusted keys of the same kind. Raises HostKeyError, NotAllowed.
    """
    access.require(by, access.ADMINISTER)
    with transaction.atomic():
        return [
            host_keys.accept(
                host=host, key=key, by=_actor(by), replace=host_keys.in_the_way(host, key) if replace else ""
            )
            for key in keys
        ]


def trust_known(hosts: Iterable[Host], text: str, *, by: User | None) -> tuple[list[Host], list[Host]]:
    """Trust what a pasted known_hosts file says of these hosts: those it names, and those it does not.

    Raises KnownHostsWrong, HostKeyError, NotAllowed; then nothing was changed.
    """
    access.require(by, access.ADMINISTER)
    entries = known_hosts.read(text)
    named: list[Host] = []
    unnamed: list[Host] = []
    with transaction.atomic():
        for host in hosts:
            keys = known_hosts.keys_of(entries, known_hosts.name_of(host.address, host.port))
            trust(host, keys, by=by)
            (named if keys else unnamed).append(host)
    return named, unnamed


def _find_or_make(place: Place, name: str, by: User | None) -> tuple[Host, bool]:
    there = Host.objects.filter(address=place.address, port=place.port).first()
    if there:
        if not there.user:
            Host.objects.filter(pk=there.pk).update(user=place.user)
            there.user = place.user
        return there, False
    taken = set(Host.objects.values_list("name", flat=True))
    if name in taken:
        raise HostTaken(
            f"There is a host {name} already, at another address. Choose another name. Nothing was changed."
        )
    host = Host(name=name or host_lines.name_of(place, taken), address=place.address, port=place.port, user=place.user)
    host.full_clean()
    host.save()
    return host, True


def lead_through(host: Host, via: Place, *, by: User | None) -> None:
    """Reached through a bastion: a region of its own has it as its gateway, so that nobody has to name one.

    In the caller's transaction. Raises HostElsewhere.
    """
    bastion, new = _find_or_make(via, "", by)
    if new:
        _record("host.added", by, bastion)
    region = Region.objects.filter(gateway=bastion, gateway_user=via.user).first()
    if region is None:
        region = Region.objects.create(name=_free_name(f"via-{bastion.name}"), gateway=bastion, gateway_user=via.user)
    now = host.zone
    if now is not None and now.region != region:
        raise HostElsewhere(
            f"{host.name} stands in {now.region} already, which is not reached through {bastion.name}. "
            "Change that host's zone, or leave the bastion out. Nothing was changed."
        )
    if now is None:
        host.zone, _ = Zone.objects.get_or_create(region=region, name=BEHIND)
        host.save(update_fields=["zone"])


def _free_name(wanted: str) -> str:
    names = [wanted[:63], *(f"{wanted[:58]}-{number}" for number in range(2, 1000))]
    taken = set(Region.objects.filter(name__in=names).values_list("name", flat=True))
    return next(name for name in names if name not in taken)


def _record(kind: str, by: User | None, host: Host, environment: str = "", **facts: Any) -> None:
    place = f"{host.user}@{host.address}:{host.port}"
    events.record(kind, _actor(by), environment=environment, host=host.name, place=place, **facts)


def _actor(by: User | None) -> str:
    return by.username if by else ""
