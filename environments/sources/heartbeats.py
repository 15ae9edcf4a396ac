"""Who may say of itself that it is there, and hearing it. The token is shown once; only its hash is kept.

SourceError
├── HeartbeatWrong    what was asked for, or what a machine says, cannot be
├── NoHeartbeats      the source is of another kind
└── TooSoon           a machine speaks more often than anybody needs
"""

import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from django.db import transaction
from django.db.models import F, Q, QuerySet
from django.utils import timezone

from environments import access, host_lines
from environments.host_lines import Place
from environments.models import Heartbeat, Host, HostSource, User
from environments.sources import inventories
from environments.sources.kinds import heartbeat as kind
from environments.sources.kinds.heartbeat import silent_after
from environments.sources.listing import SourceError
from environments.tokens import SECRET_BYTES, digest_of, end_after
from environments.validation import NAME
from notifications import events, live

PREFIX = "dph_"
LEAST = timedelta(seconds=10)
MOST_CHARACTERS = 200
MOST_CURRENT = 200
_TARGET = re.compile(rf"{NAME}(?:/{NAME}){{1,2}}")
_RELEASE = re.compile(r"[A-Za-z0-9._-]{1,200}")


class HeartbeatWrong(SourceError):
    pass


class NoHeartbeats(SourceError):
    pass


class TooSoon(SourceError):
    pass


@dataclass(frozen=True)
class Said:
    """What a machine says of itself. None: it says nothing of that, and what it said before holds."""

    labels: Mapping[str, object] | None = None
    current: Mapping[str, str] | None = None
    host_keys: list[str] | None = field(default=None)


def make(source: HostSource, line: str, *, days: int | None, by: User | None) -> tuple[Heartbeat, str]:
    """A token for the machine of this line (`deploy@10.0.0.9:22 as web-9`, or the name of a host that is known here).

    A machine that has one already gets another, and the earlier opens nothing from now on. `days`: None: until it is
    revoked. Raises HeartbeatWrong, NoHeartbeats, WrongDays, NotAllowed.
    """
    access.require(by, access.ADMINISTER)
    if source.kind != kind.TOLD.word:
        raise NoHeartbeats(f"{source.name} is no source of heartbeats. No token was made.")
    name, place = _read(line, source.user)
    plain = PREFIX + secrets.token_urlsafe(SECRET_BYTES)
    who = by.username if by else ""
    facts: dict[str, Any] = {"digest": digest_of(plain), "expires_at": end_after(days), "made_by": who}
    facts |= {"address": place.address, "port": place.port, "user": place.user, "made_at": timezone.now()}
    with transaction.atomic():
        at = Heartbeat.objects.filter(source=source, address=place.address, port=place.port).exclude(name=name).first()
        if at is not None:
            raise HeartbeatWrong(f"{place.address}:{place.port} is {at.name} already. No token was made.")
        row, _ = Heartbeat.objects.update_or_create(source=source, name=name, defaults=facts)
        _record("heartbeat.made", row, who)
    return row, plain


def _read(line: str, user: str) -> tuple[str, Place]:
    """A machine's name, and where it is."""
    known = Host.objects.filter(name=line.strip()).first() if re.fullmatch(NAME, line.strip()) else None
    if known is not None:
        return known.name, Place(known.user, known.address, known.port)
    try:
        found = host_lines.read(line, user=user)
    except host_lines.LinesWrong as error:
        raise HeartbeatWrong(f"{next(iter(error.problems.values()))} No token was made.") from None
    if len(found) != 1 or found[0].via:
        raise HeartbeatWrong("Name one host, as `user@host:port as web-9`, without a bastion. No token was made.")
    place = found[0].place
    there = Host.objects.filter(address=place.address, port=place.port).first()
    if there is not None:
        return there.name, place
    name = found[0].name or host_lines.name_of(place, set(Host.objects.values_list("name", flat=True)))
    if Host.objects.filter(name=name).exists():
        raise HeartbeatWrong(f"There is a host {name} already, at another address. No token was made.")
    return name, place


def revoke(row: Heartbeat, *, by: User | None) -> None:
    """From now on its token opens nothing, and the source names the machine no more. Raises NotAllowed."""
    access.require(by, access.ADMINISTER)
    with transaction.atomic():
        _record("heartbeat.revoked", row, by.username if by else "")
        row.delete()
        HostSource.objects.filter(pk=row.source_id).update(due_at=timezone.now())


def find(plain: str) -> Heartbeat | None:
    """Whose token it is; None when it opens nothing. Looked up by its hash."""
    if not plain.startswith(PREFIX) or len(plain) > MOST_CHARACTERS:
        return None
    valid = Q(expires_at=None) | Q(expires_at__gt=timezone.now())
    return Heartbeat.objects.select_related("source").filter(valid, digest=digest_of(plain)).first()


def hear(row: Heartbeat, said: Said) -> None:
    """The machine is there. Whoever is new, was silent or says something else is read within seconds.

    Raises HeartbeatWrong, TooSoon.
    """
    now = timezone.now()
    facts = _facts(said)
    before = Q(heard_at=None) | Q(heard_at__lte=now - LEAST)
    with transaction.atomic():
        if not Heartbeat.objects.filter(before, pk=row.pk).update(heard_at=now, **facts):
            raise TooSoon(f"{row.name} was heard less than {LEAST.seconds} s ago. Once a minute is enough.")
        followed = {name: facts[name] for name in ("labels", "host_keys") if name in facts}
        if is_silent(row, now) or any(getattr(row, name) != value for name, value in followed.items()):
            HostSource.objects.filter(Q(due_at=None) | Q(due_at__gt=now), pk=row.source_id).update(due_at=now)
            transaction.on_commit(lambda: live.changed(f"host/{row.name}"))


def _facts(said: Said) -> dict[str, Any]:
    facts: dict[str, Any] = {}
    try:
        if said.labels is not None:
            facts["labels"] = dict(inventories.read_labels(dict(said.labels)))
        if said.host_keys is not None:
            keys = inventories.read_keys(said.host_keys)
            facts["host_keys"] = [f"{key.algorithm} {key.key}" for key in keys]
    except ValueError as error:
        raise HeartbeatWrong(f"{error} It was not heard.") from None
    if said.current is not None:
        facts["current"] = _current(said.current)
    return facts


def _current(current: Mapping[str, str]) -> dict[str, str]:
    if len(current) > MOST_CURRENT:
        raise HeartbeatWrong(f"It names over {MOST_CURRENT} targets, more than one host has. It was not heard.")
    for target, release in current.items():
        if not _TARGET.fullmatch(target) or not _RELEASE.fullmatch(release):
            raise HeartbeatWrong(
                f"{target[:80]!r}: `current` is a release's folder by `application/environment`. It was not heard."
            )
    return dict(current)


def is_silent(row: Heartbeat, now: datetime | None = None) -> bool:
    """Whether it was not heard for longer than its source says, or never. Its source has been read along."""
    return row.heard_at is None or row.heard_at < (now or timezone.now()) - silent_after(row.source.settings)


def is_over(row: Heartbeat) -> bool:
    """Whether its token opens nothing any more."""
    return row.expires_at is not None and row.expires_at <= timezone.now()


def of_host(host: Host) -> QuerySet[Heartbeat]:
    """What this host says of itself, by source."""
    rows = Heartbeat.objects.filter(address=host.address, port=host.port)
    return rows.select_related("source__environment").order_by(F("heard_at").desc(nulls_last=True), "pk")


def _record(word: str, row: Heartbeat, by: str) -> None:
    facts: dict[str, Any] = {"name": row.source.name, "host": row.name}
    events.record(word, by, environment=row.source.environment.name, **facts)
