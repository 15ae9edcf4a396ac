"""The page of all locks: those of the viewer and the first of others as cards, of very many the rest as lines."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import NamedTuple

from django.db.models import Case, Count, DateTimeField, Exists, ExpressionWrapper, OuterRef, Q, Subquery, Value, When
from django.db.models.functions import Now

from deployments.lifecycle.unlocking import held_by_any
from deployments.models import Deploy
from deployments.page_queries.locks import LockCard, build_cards
from deployments.page_queries.words import count_words
from deployments.untold import LOCK, untold_of_target
from environments import locks
from environments.models import Lock, LockRequest, Reservation, Team, User

LINES = 50  # in one part of the list
MOST_COMING = 20
COMING = timedelta(days=7)
_PLACES = ("environment", "target__application", "target__environment")
CARDS = 8  # rows; a card has all that can be done about it, so that three hundred would be a megabyte


class LockLine(NamedTuple):
    """A lock in a line, of which there are many; its place's own page has the card."""

    scope: str
    holder_name: str
    reason: str
    until: datetime | None

    @property
    def address(self) -> str:
        """Of the page where it can be changed."""
        words = self.scope.split("/")
        return f"/{words[0]}/{words[1]}/" if len(words) > 1 else f"/environments/{self.scope}"


@dataclass(slots=True)
class LocksPage:
    """Everything that the page of locks shows."""

    headline: str
    mine: list[LockCard]
    others: list[LockCard]
    lines: list[LockLine]
    before: int  # lines in parts before this one
    beyond: int  # all that are no cards
    everything: LockCard | None
    held: list[Deploy]
    coming: list[Reservation]


def read_locks(viewer: User, *, part: int = 1) -> LocksPage:
    """A fixed number of queries; of very many locks all but the first are lines, a `part` of them at a time."""
    standing, lines, places = _read_standing(viewer, (part - 1) * LINES)
    scopes = {lock.scope: locks.of_row(lock) for lock in standing}
    scopes.setdefault(locks.ALL.text, locks.ALL)
    held_back = held_by_any(None, viewer=viewer)
    coming = _read_coming(viewer)
    cards = build_cards(list(scopes.values()), viewer, standing, held_back, coming)
    everything = next(card for card in cards if card.scope == locks.ALL.text)
    held = [card for card in cards if card.lock or card.closed]
    mine = [card for card in held if card.mine or card.in_line]
    return LocksPage(
        headline=_tell_headline(places, sum(card.mine for card in held)),
        mine=mine,
        others=[card for card in held if card not in mine],
        lines=lines,
        before=(part - 1) * LINES,
        beyond=places - len(held),
        everything=everything if everything.lock is None else None,
        held=[deploy for deploy in held_back if deploy.met_lock and deploy.met_lock.is_over],
        coming=coming,
    )


def _read_standing(viewer: User, start: int) -> tuple[list[Lock], list[LockLine], int]:
    """What the viewer holds or waits for comes first, then by place; of one place all is in the same list.

    Locks for cards, then lines from the one numbered `start` on, and how many places are locked in all.
    """
    waited = Exists(LockRequest.objects.filter(scope=OuterRef("scope"), person=viewer, ended_at=None))
    ours = Exists(Team.members.through.objects.filter(team=OuterRef("team"), user=viewer))
    own = Q(holder=viewer, team=None) | Q(ours) | Q(scope=locks.ALL.text) | Q(waited)
    order = (Case(When(own, then=0), default=1), "scope", "machines_only")
    rows = locks.held().filter(locks.visible(viewer)).order_by(*order)
    first = list(rows.select_related(*_PLACES).defer(*LOCK, *untold_of_target())[: CARDS + 1])
    if len(first) <= CARDS:
        return first, [], len({lock.scope for lock in first})
    first = [lock for lock in first if lock.scope != first[-1].scope]
    begin = len(first) + start
    # with the lines, for the page has no query to spare
    alike = rows.order_by().annotate(alike=Value(1)).values("alike")
    places = Subquery(alike.annotate(number=Count("scope", distinct=True)).values("number"))
    lines = list(rows.annotate(places=places).values_list(*LockLine._fields, "places")[begin : begin + LINES])
    number = lines[0][-1] if lines else rows.order_by().values("scope").distinct().count()
    return first, [LockLine(*line[:-1]) for line in lines], number


def _read_coming(viewer: User) -> list[Reservation]:
    """What is reserved for the next days."""
    soon = locks.coming_reservations().filter(locks.visible(viewer), began_at=None)
    soon = soon.filter(starts__lt=ExpressionWrapper(Now() + COMING, output_field=DateTimeField()))
    return list(soon.select_related(None).select_related("environment")[:MOST_COMING])


def _tell_headline(number: int, mine: int) -> str:
    if not number:
        return "Nothing is locked."
    told = count_words(number, "place is locked", "places are locked")
    return told + (f", {mine} by you." if mine else ".")
