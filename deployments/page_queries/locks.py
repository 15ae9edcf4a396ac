"""Locks as pages show them: who holds what and who waits for it, and what the viewer may do about it."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from django.db.models import Q

from deployments.lifecycle.unlocking import held_by_any
from deployments.models import Deploy, bulk
from environments import access, locks
from environments.models import Environment, Lock, LockKind, LockQuestion, LockRequest, Reservation, Target, User
from environments.rights import teams_of

BEFORE = "before"  # the end that is where the next reservation begins
USUAL = "2h"
MOST = 1000  # held locks of which a page tells


@dataclass(slots=True)
class Waiter:
    """Somebody in line, and when their turn may come."""

    name: str
    seconds: int | None
    reason: str
    about: datetime | None
    mine: bool


@dataclass(slots=True)
class LockCard:
    """One scope: free, or locked by somebody. What may be done follows from what the viewer holds and may."""

    scope: str
    place: str
    lock: Lock | None
    closed: Lock | None
    mine: bool
    in_line: bool
    wants_word: bool
    line: list[Waiter] = field(default_factory=list)
    questions: list[LockQuestion] = field(default_factory=list)
    asked: bool = False
    held: list[Deploy] = field(default_factory=list)
    may_lock: bool = False
    may_forever: bool = False
    may_take: bool = False
    may_release: bool = False
    teams: list[str] = field(default_factory=list)
    ahead: Reservation | None = None  # of somebody else, where the viewer may lock

    @property
    def tone(self) -> str:
        """How its frame looks: free, mine, ask (a warning, or somebody wants something) or nothing."""
        if self.lock is None:
            return "free"
        if self.questions or self.lock.kind == LockKind.WARNING or self.lock.offered or self.lock.orphaned:
            return "ask"
        return "mine" if self.mine else ""

    @property
    def presets(self) -> list[tuple[str, str]]:
        found = [(name, words) for name, words in locks.PRESETS.items() if name != "never" or self.may_forever]
        before = [(BEFORE, f"until it is reserved for {self.ahead.holder_name}")] if self.ahead else []
        return [*before, *found]

    @property
    def preset(self) -> str:
        """The one that is proposed: two hours, but not into somebody's reservation."""
        soon = self.ahead is not None and self.ahead.starts < locks.clock() + locks.DURATIONS[USUAL]
        return BEFORE if soon else USUAL


@dataclass(slots=True)
class LockMark:
    """A padlock beside a target or environment."""

    words: str
    title: str
    warning: bool
    mine: bool


def read_card(scope: locks.Scope, viewer: User, standing: Sequence[Lock] | None = None) -> LockCard:
    """Five queries at most; `standing`: the held locks, where somebody has read them already."""
    rows = (
        list(locks.held().filter(scope=scope.text).select_related("holder", "team")) if standing is None else standing
    )
    return build_cards([scope], viewer, rows)[0]


def build_cards(
    scopes: Sequence[locks.Scope],
    viewer: User,
    standing: Iterable[Lock],
    waiting: Iterable[Deploy] | None = None,
    coming: Iterable[Reservation] | None = None,
) -> list[LockCard]:
    """A card for each scope, in as many queries as for one.

    `waiting`: what met these locks, `coming`: what is reserved next, each if read already.
    """
    there = locks.by_scope(standing)
    names = [scope.text for scope in scopes if scope.text in there]
    lines: dict[str, list[LockRequest]] = {}
    asked: dict[int, list[LockQuestion]] = {}
    held: dict[int, list[Deploy]] = {}
    if names:
        for request in locks.in_line(names):
            lines.setdefault(request.scope, []).append(request)
        # of the locks there is nothing new to read
        for question in locks.open_questions().select_related(None).filter(lock__scope__in=names):
            asked.setdefault(question.lock_id, []).append(question)
    met = [lock.pk for name in names for lock in there[name]]
    if waiting is None:
        waiting = held_by_any(met, viewer=viewer) if met else ()
    for deploy in waiting:
        held.setdefault(deploy.met_lock_id or 0, []).append(deploy)
    # asked first: who is no administrator has the teams read along with the rights
    rules = [locks.allows(viewer, access.ADMINISTER, scope) for scope in scopes]
    teams = teams_of(viewer)
    cards = [
        _build(scope, viewer, there.get(scope.text, []), lines, asked, held, teams, may)
        for scope, may in zip(scopes, rules, strict=True)
    ]
    # of a place that is held nobody is asked how long, and its card has no query to spare
    free = {card.scope for card in cards if card.may_lock and card.lock is None}
    ahead = locks.ahead_of([scope for scope in scopes if scope.text in free], viewer, coming)
    for card in cards:
        card.ahead = ahead.get(card.scope)
    return cards


def _build(
    scope: locks.Scope,
    viewer: User,
    rows: Sequence[Lock],
    lines: Mapping[str, Sequence[LockRequest]],
    asked: Mapping[int, list[LockQuestion]],
    held: Mapping[int, list[Deploy]],
    teams: Mapping[int, str],
    rules: bool,
) -> LockCard:
    lock = next((row for row in rows if not row.machines_only), None)
    closed = next((row for row in rows if row.machines_only), None)
    mine = lock is not None and (lock.team_id in teams if lock.team_id else lock.holder_id == viewer.pk)
    waiting = lines.get(scope.text, ())
    line = _tell_line(lock, [row for row in waiting if not row.tell_only], viewer)
    questions = locks.told_to(viewer, asked.get(lock.pk, ()), holds=mine) if lock else []
    return LockCard(
        scope=scope.text,
        place=scope.place,
        lock=lock,
        closed=closed,
        mine=mine,
        in_line=any(one.mine for one in line),
        wants_word=any(row.tell_only and row.person_id == viewer.pk for row in waiting),
        line=line,
        questions=questions if mine else [],
        asked=any(question.by_id == viewer.pk for question in questions),
        held=[deploy for row in rows for deploy in held.get(row.pk, ())],
        may_lock=locks.allows(viewer, access.LOCK, scope),
        may_forever=locks.allows(viewer, access.LOCK_FOREVER, scope),
        may_take=lock is not None and not mine and locks.allows(viewer, access.TAKE_LOCKS, scope),
        may_release=lock is not None and (mine or rules),
        teams=sorted(teams.values()),
    )


def _tell_line(lock: Lock | None, rows: Sequence[LockRequest], viewer: User) -> list[Waiter]:
    """Each turn begins when the one before it is over, as far as anybody has said an end."""
    about = lock.until if lock else None
    if lock and lock.offered and about and lock.wanted_seconds is not None:
        about += timedelta(seconds=lock.wanted_seconds)
    found = []
    for row in rows:
        mine = row.person_id == viewer.pk
        found.append(Waiter(row.person.full_name, row.wanted_seconds, row.reason, about, mine))
        about = about + timedelta(seconds=row.wanted_seconds) if about and row.wanted_seconds is not None else None
    return found


def cards_of_target(
    target: Target, viewer: User, standing: Sequence[Lock], waiting: Iterable[Deploy]
) -> tuple[LockCard, list[LockCard]]:
    """Its own card, and those of wider locks that apply to it."""
    own = locks.of_target(target)
    wider = (locks.ALL, locks.of_environment(target.environment))
    there = locks.by_scope(standing)
    cards = build_cards([own, *(scope for scope in wider if scope.text in there)], viewer, standing, waiting)
    return cards[0], cards[1:]


def mark_of(standing: Sequence[Lock], viewer: User | None = None) -> LockMark | None:
    """One mark for all locks that apply somewhere: the one that bars most."""
    people = [lock for lock in standing if not lock.machines_only]
    chosen = next((lock for lock in people if lock.kind == LockKind.LOCK), None)
    lock = chosen or next(iter(people), None) or next(iter(standing), None)
    if lock is None:
        return None
    mine = viewer is not None and lock.holder_id == viewer.pk
    words = "closed to machines" if lock.machines_only else "yours" if mine else lock.holder_name
    return LockMark(words, locks.tell(lock), lock.kind == LockKind.WARNING or lock.machines_only, mine)


def mark_of_names(
    standing: Mapping[str, Sequence[Lock]], application: str, environment: str, viewer: User | None
) -> LockMark | None:
    """The mark of a target, out of all held locks by their scopes."""
    scopes = ("*", environment, f"{application}/{environment}")
    return mark_of([lock for scope in scopes for lock in standing.get(scope, ())], viewer) if standing else None


def tell_lock(standing: Mapping[str, Sequence[Lock]], application: str, environment: str) -> str:
    """The sentence of the padlock of a target; "" where nothing is locked. For everybody the same."""
    mark = mark_of_names(standing, application, environment, None)
    return mark.title if mark else ""


def read_told_locks() -> dict[str, list[Lock]]:
    """All held locks, by scope, with no more than tell_lock tells of them. One query."""
    told = ("id", "scope", "kind", "holder_id", "team_id", "holder_name", "machines_only", "reason", "until", "offered")
    rows = locks.held().order_by("machines_only", "pk").values_list(*told)[:MOST]
    return locks.by_scope(bulk.instances(Lock, told, rows))


def read_standing(environment: Environment | None = None) -> dict[str, list[Lock]]:
    """All held locks, by scope; or those that concern an environment, as a card needs them. One query."""
    rows = locks.held().order_by("machines_only", "pk")
    if environment is not None:
        rows = rows.filter(Q(environment=environment) | Q(environment=None)).select_related("holder", "team")
    return locks.by_scope(rows[:MOST])
