"""Freezes: a time in which nothing new goes out. The database's clock decides in the query that asks."""

from datetime import datetime, timedelta
from typing import Any

from django.db import transaction
from django.db.models import Exists, OuterRef, Q, QuerySet
from django.db.models.functions import Now
from django.utils import timezone

from environments import access, locks
from environments.locks import Scope
from environments.locks.scopes import require
from environments.locks.words import read_reason
from environments.models import Freeze, Target, User
from environments.windows.errors import FreezeOver, NotYours, WrongFreeze
from notifications import events

LONGEST = timedelta(days=366)
_RELATED = ("by", "environment", "target__application", "target__environment")


def freeze(scope: Scope, *, by: User | None, reason: str, starts: datetime | None, ends: datetime) -> Freeze:
    """Nothing new goes out there from `starts` (None: now) to `ends`. Raises WrongFreeze, WrongWords, NotAllowed."""
    require(by, access.MAINTAIN, scope)
    words, now = read_reason(reason, f"why {scope.place} is to be frozen"), locks.clock()
    begin = starts or now
    if ends <= now:
        raise WrongFreeze("A freeze ends in the future; that time is over. Nothing was changed.")
    if ends <= begin:
        raise WrongFreeze("A freeze ends after it has begun. Nothing was changed.")
    if ends - begin > LONGEST:
        raise WrongFreeze(f"A freeze lasts at most {LONGEST.days} days. Nothing was changed.")
    with transaction.atomic():
        made = Freeze.objects.create(
            scope=scope.text,
            environment=scope.environment,
            target=scope.target,
            starts=begin,
            ends=ends,
            reason=words,
            by=by,
            by_name=by.full_name if by else "the Deployer",
        )
        _record("freeze.made", made, by)
    return made


def may_lift(freeze: Freeze, by: User | None) -> bool:
    """Who froze it, while they may freeze there; and administrators."""
    scope = Scope(freeze.scope, freeze.environment, freeze.target)
    needed = access.MAINTAIN if by is not None and freeze.by_id == by.pk else access.ADMINISTER
    return by is None or locks.allows(by, needed, scope)


def lift(freeze: Freeze, *, by: User | None) -> None:
    """End it, or call it off before it begins. Raises NotYours, FreezeOver."""
    if not may_lift(freeze, by):
        raise NotYours(f"{tell(freeze)}. Only {freeze.by_name} or an administrator can lift it. Nothing was changed.")
    with transaction.atomic():
        name = by.full_name if by else "the Deployer"
        open_rows = Freeze.objects.filter(pk=freeze.pk, lifted_at=None, ends__gt=Now())
        if not open_rows.update(lifted_at=Now(), lifted_by_name=name):
            raise FreezeOver(f"This freeze of {freeze.place} is over already. Nothing was changed.")
        _record("freeze.lifted", freeze, by)


def to_come() -> QuerySet[Freeze]:
    """Those that last or are yet to begin, in the order in which they begin."""
    return Freeze.objects.filter(lifted_at=None, ends__gt=Now()).select_related(*_RELATED)


def lasting() -> QuerySet[Freeze]:
    """Those that last now."""
    return to_come().filter(starts__lte=Now())


def applying(target: Target) -> list[Freeze]:
    """Those that last now and are about `target`, the one that ends last first."""
    found = Freeze.objects.filter(lifted_at=None, ends__gt=Now(), starts__lte=Now(), scope__in=locks.covering(target))
    return list(found.order_by("-ends"))


def frozen() -> Exists:
    """Whether a freeze lasts now that is about the target of a row of targets: read along, where most often none is."""
    lasts = Freeze.objects.filter(lifted_at=None, ends__gt=Now(), starts__lte=Now())
    wide = Q(environment=None) | Q(target=None, environment=OuterRef("environment"))
    return Exists(lasts.filter(wide | Q(target=OuterRef("pk"))))


def visible(user: User) -> Q:
    """Which freezes `user` may see: those of what one may view a part of, and of everything. As of locks."""
    return locks.visible(user)


def find_freeze(freeze_id: int, *, viewer: User) -> Freeze | None:
    """One, over or not, that `viewer` may see."""
    return Freeze.objects.filter(visible(viewer), pk=freeze_id).select_related(*_RELATED).first()


def tell(freeze: Freeze) -> str:
    """`shop/staging is frozen: the fair, until 29 Nov 15:00 UTC`."""
    return f"{tell_what(freeze)}, until {timezone.localtime(freeze.ends):%d %b %H:%M %Z}"


def tell_what(freeze: Freeze) -> str:
    """`shop/staging is frozen: the fair`, without its end."""
    place = "Everything" if freeze.place == "everything" else freeze.place
    return f"{place} is frozen: {freeze.reason.rstrip('. ')}"


def _record(kind: str, freeze: Freeze, by: User | None, **facts: Any) -> None:
    scope = Scope(freeze.scope, freeze.environment, freeze.target)
    application, environment = scope.names
    events.record(
        kind,
        by.username if by else "",
        application=application,
        environment=environment,
        scope=freeze.scope,
        place=freeze.place,
        **scope.endpoint,
        reason=freeze.reason,
        starts=freeze.starts.isoformat(),
        ends=freeze.ends.isoformat(),
        end=f"until {timezone.localtime(freeze.ends):%d %b %H:%M %Z}",
        **facts,
    )
