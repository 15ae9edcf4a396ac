"""Reading a source and following it, or keeping the last good list and saying why.

A source that cannot be read, or whose list would take away more than it may, changes nothing: its hosts stay, its page
and that of its environment say so, and an event tells it once. A person may accept a removal that they have seen.
"""

import logging
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.db import transaction
from django.db.models import Q
from django.db.models.functions import Now
from django.utils import timezone

from environments import access
from environments.models import Environment, HostSource, User
from environments.sealed import CannotOpen, unseal
from environments.sources import comparing, following, kinds
from environments.sources.comparing import Difference
from environments.sources.following import Meant
from environments.sources.listing import (
    Asked,
    Listing,
    NothingToAccept,
    NotReadable,
    SaysOtherwise,
    Wrong,
)
from notifications import events

log = logging.getLogger(__name__)

LOOK_SECONDS = 5.0  # how often a worker asks whether a source is due
FRESH_SECONDS = 10.0  # many deploys that begin together ask once
AT_ONCE = 10
MOST_LEAVING = 5000
_UNTOLD = "Its hosts stay as they are."


@dataclass(frozen=True)
class Outcome:
    """`kept`: why the last list was kept; "" when it was followed."""

    difference: Difference = field(default_factory=Difference)
    meant: tuple[Meant, ...] = ()
    wrong: tuple[Wrong, ...] = ()
    left_out: tuple[Wrong, ...] = ()
    kept: str = ""

    @property
    def changes(self) -> int:
        return len(self.meant) + len(self.difference.changed) + len(self.difference.gone)


def read(source: HostSource, *, seconds: float | None = None, secret: str | None = None) -> Listing:
    """What it says now. It takes no longer than `seconds` (SOURCE_SECONDS). Raises NotReadable."""
    kind = kinds.find(source.kind)
    limit = settings.SOURCE_SECONDS if seconds is None else seconds
    try:
        opened = unseal(source.secret) if secret is None else secret
    except CannotOpen as error:
        raise NotReadable(str(error)) from None
    asked = Asked(source.settings, opened, source.user, limit, source.pk)
    if problems := kind.check(asked):
        raise NotReadable(" ".join(problems.values()))
    return _within(kind, asked) if kind.WAITS else kind.read(asked)


def _within(kind: kinds.Kind, asked: Asked) -> Listing:
    """Read in a thread that is left behind when it takes too long: a name server may hang, whatever we bound."""
    said: list[Listing | Exception] = []

    def ask() -> None:
        try:
            said.append(kind.read(asked))
        except Exception as error:  # noqa: BLE001 - raised below, by who waits for it
            said.append(error)

    thread = threading.Thread(target=ask, name="source", daemon=True)
    thread.start()
    thread.join(asked.seconds + 0.5)
    if not said:
        raise NotReadable(f"It did not answer within {asked.seconds:.0f} s.")
    (found,) = said
    if isinstance(found, Exception):
        raise found
    return found


def look(source: HostSource, listing: Listing) -> Outcome:
    """What following `listing` would do. Changes nothing; works for a source that is not saved yet, too."""
    known = following.known_to(source) if source.pk else []
    found = following.with_usual(source, listing.hosts)
    difference = comparing.compare(known, found, trusted=source.trusted)
    meant, more = following.find_meant(source, difference)
    stuck = (
        Wrong(one.found.key, f"{one.known.name} is at {one.known.address}:{one.known.port} here, as others have said.")
        for one in difference.stuck
    )
    wrong = (*listing.wrong, *more, *stuck)
    kept = comparing.harm(difference, share=source.share, wrong=wrong)
    return Outcome(difference, tuple(meant), wrong, listing.left_out, kept)


def refresh(source: HostSource, *, by: User | None = None, accept: str = "", seconds: float | None = None) -> Outcome:
    """Read it and follow it. `accept`: the word of a removal that a person has seen (`Difference.removal`).

    Raises NotReadable when it could not be read, which is then written down; NotAllowed.
    """
    if by is not None:
        access.require(by, access.ADMINISTER)
    name = by.username if by else ""
    try:
        listing = read(source, seconds=seconds)
    except NotReadable as error:
        _say_failed(source, str(error))
        raise
    with transaction.atomic():
        rows = HostSource.objects.select_for_update(no_key=True, of=("self",))
        now = rows.select_related("environment", "zone__region").filter(pk=source.pk, version=source.version).first()
        if now is None:
            return Outcome()  # removed or changed meanwhile: what was read is not what it says now
        seen = look(now, listing)
        kept = "" if accept and accept == seen.difference.removal else seen.kept
        followed = replace(seen.difference, gone=()) if kept else seen.difference
        wrong = (*seen.wrong, *following.follow(now, followed, seen.meant, by=name))
        outcome = replace(seen, wrong=wrong, kept=kept)
        _record(now, outcome, name, accepted=bool(accept and seen.kept and not kept))
        _write(now, outcome)
    return outcome


def accept(source: HostSource, removal: str, *, by: User) -> Outcome:
    """A person has seen which hosts would leave, and lets them. Raises SourceError, NotAllowed."""
    access.require(by, access.ADMINISTER)
    if not removal:
        raise NothingToAccept(f"{source.name} takes nothing away. Nothing was changed.")
    outcome = refresh(source, by=by, accept=removal)
    if outcome.kept:
        raise SaysOtherwise(
            f"{source.name} says something else now than what you have seen, so nothing was removed. Look again."
        )
    return outcome


def _tell_wrong(wrong: Sequence[Wrong]) -> str:
    if not wrong:
        return ""
    count = f"{len(wrong)} of its entries could not be followed" if len(wrong) > 1 else "An entry could not be followed"
    told = " ".join(f"{one}" for one in wrong[:3])
    return f"{count}. {told}{' …' if len(wrong) > 3 else ''}"


def _write(source: HostSource, outcome: Outcome) -> None:
    now = timezone.now()
    trouble = " ".join(filter(None, (outcome.kept, _tell_wrong(outcome.wrong))))
    facts: dict[str, Any] = {"looked_at": now, "trouble": trouble, "leaving": _leaving(outcome)}
    facts |= {"trouble_since": (source.trouble_since or now) if trouble else None}
    HostSource.objects.filter(pk=source.pk).update(**facts if outcome.kept else facts | {"good_at": now})


def _leaving(outcome: Outcome) -> list[str]:
    return [one.name for one in outcome.difference.gone[:MOST_LEAVING]] if outcome.kept else []


def _record(source: HostSource, outcome: Outcome, by: str, *, accepted: bool) -> None:
    """Once for each thing that is new: a source that is in the same trouble as before is no news."""
    facts: dict[str, Any] = {"environment": source.environment.name, "name": source.name}
    counts: dict[str, Any] = {"added": len(outcome.meant), "changed": len(outcome.difference.changed)}
    if outcome.kept and _leaving(outcome) != source.leaving:
        events.record("source.kept", by, **facts, reason=outcome.kept)
    if not outcome.kept and source.trouble and not outcome.wrong and not accepted:
        events.record("source.recovered", by, **facts)
    removed = 0 if outcome.kept else len(outcome.difference.gone)
    if accepted:
        events.record("source.accepted", by, **facts, **counts, removed=removed)
    elif sum(counts.values()) + removed:
        events.record("source.refreshed", by, **facts, **counts, removed=removed)


def _say_failed(source: HostSource, why: str) -> None:
    """Written down for its pages; the event tells the first time only."""
    text = f"{why.rstrip('. ')}. {_UNTOLD}"
    now = timezone.now()
    with transaction.atomic():
        rows = HostSource.objects.filter(pk=source.pk, version=source.version)
        news = rows.exclude(trouble=text).update(trouble=text, looked_at=now)
        if not news:
            rows.update(looked_at=now)
            return
        fell = rows.filter(trouble_since=None).update(trouble_since=now)
        if fell:
            facts: dict[str, Any] = {"name": source.name, "reason": text}
            events.record("source.failed", environment=source.environment.name, **facts)


def refresh_due() -> None:
    """Every worker looks, and the one whose UPDATE counts reads. Called again and again."""
    unseen = Q(every_minutes=0, looked_at=None)  # never by itself, but once after a file has set it up
    due = HostSource.objects.filter(Q(every_minutes__gt=0) | unseen, due_at__lte=Now())
    for source in list(due.select_related("environment", "zone__region").order_by("due_at")[:AT_ONCE]):
        until = timezone.now() + timedelta(minutes=source.every_minutes) if source.every_minutes else None
        if HostSource.objects.filter(pk=source.pk, due_at=source.due_at).update(due_at=until):
            _try(source)


def refresh_before_deploy(environment: Environment) -> None:
    """Where a source says so, ask it once more; one that is slow or fails leaves the list as it was."""
    give_up = time.monotonic() + settings.SOURCE_DEPLOY_SECONDS
    rows = environment.sources.filter(before_deploys=True).select_related("environment", "zone__region")
    stale = Q(looked_at=None) | Q(looked_at__lt=timezone.now() - timedelta(seconds=FRESH_SECONDS))
    for source in rows.filter(stale).order_by("looked_at"):
        left = give_up - time.monotonic()
        if left <= 0.5:
            log.warning("The source %s was not asked before a deploy: others took too long.", source.name)
            continue
        _try(source, seconds=left)


def _try(source: HostSource, seconds: float | None = None) -> None:
    try:
        refresh(source, seconds=seconds)
    except NotReadable as error:
        log.warning("The source %s was not followed: %s", source.name, error)
