"""Everything that waits: for its turn, for its build, for a time, for a person; and targets that nothing can go to."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import groupby

from django.db.models import Exists, OuterRef, Q

from deployments import approvals, artifacts, blockers, claims, own_disk, turns
from deployments.closed_times import NEVER_WAIT, closed
from deployments.expectations import expected_ends
from deployments.models import Deploy, Kind
from deployments.page_queries.home import open_deploys_of
from deployments.page_queries.locks import read_standing
from deployments.page_queries.words import PREPARED, Mark, count_words, mark_of_deploy
from deployments.states import DeployStatus
from deployments.untold import DEPLOY, untold, untold_of_target, untold_of_waiting
from environments import locks, sight, windows
from environments.models import Freeze, Host, Lock, LockKind, Membership, Target, Transport, User

MOST = 200  # targets with something that waits
MOST_STUCK = 50
MOST_ASIDE = 50


@dataclass(slots=True)
class Why:
    """One thing that a deploy waits for, and until when, where that is known."""

    text: str
    until: datetime | None


@dataclass(slots=True)
class Causes:
    """What deploys may wait for, read once for all: locks and freezes by scope, approvals, expected ends."""

    standing: Mapping[str, Sequence[Lock]]
    freezes: Mapping[str, Sequence[Freeze]]
    given: approvals.Given
    ends: Mapping[int, datetime]
    full: str
    workers: bool
    now: datetime


@dataclass(slots=True)
class Item:
    """A deploy that waits. `place` counts from 1 within its target; 0 for one that has begun."""

    deploy: Deploy
    mark: Mark
    place: int
    whys: list[Why]
    until: datetime | None
    flips: bool


@dataclass(slots=True)
class Line:
    """What waits for one target, in the order in which it will go; `running` is what all of it waits for."""

    target: Target
    running: Deploy | None
    items: list[Item] = field(default_factory=list)


@dataclass(slots=True)
class Stuck:
    """A target that nothing can go to, or whose last deploy wants a person."""

    target: Target
    mark: Mark
    why: str
    deploy: Deploy | None = None


@dataclass(slots=True)
class Waiting:
    """Everything that the page shows."""

    headline: str
    lines: list[Line]
    more: int
    stuck: list[Stuck]
    more_stuck: int
    aside: list[Host]
    more_aside: int

    @property
    def empty(self) -> bool:
        return not (self.lines or self.stuck or self.aside)


def read_waiting(user: User | None = None) -> Waiting:
    """A fixed number of queries, whose size follows what is open, never the history."""
    related = ("target__application", "target__environment", "by", "let_go_by", "met_lock")
    theirs = sight.of_targets(user, "target__")
    open_ones = open_deploys_of().filter(theirs).select_related(*related, "target__approvers", "of")
    rows = list(open_ones.defer(*untold_of_waiting(), *untold("of", DEPLOY)))
    groups, causes = [list(group) for _, group in groupby(rows, key=lambda row: row.target_id)], _read_causes(rows)
    lines = [line for group in groups if (line := _line_of(group, causes)).items]
    lines.sort(key=lambda line: line.items[0].deploy.requested_at)
    stuck = [*_read_unclear(user), *_read_barred(user)]
    aside = list(
        Host.objects.filter(sight.of_hosts(user)).exclude(aside="").select_related("zone__region").order_by("aside_at")
    )
    waiting = sum(item.place > 0 for line in lines for item in line.items)
    begun = [item.deploy for line in lines for item in line.items if item.place == 0]
    locked = sum(deploy.met_lock is not None for deploy in begun)
    return Waiting(
        headline=_tell_headline(waiting, locked, len(begun) - locked, len(stuck)),
        lines=lines[:MOST],
        more=max(0, len(lines) - MOST),
        stuck=stuck[:MOST_STUCK],
        more_stuck=max(0, len(stuck) - MOST_STUCK),
        aside=aside[:MOST_ASIDE],
        more_aside=max(0, len(aside) - MOST_ASIDE),
    )


def _read_causes(rows: Sequence[Deploy]) -> Causes:
    waiting = {row.target_id: row.target for row in rows if row.status == DeployStatus.WAITING}
    freezes: dict[str, list[Freeze]] = {}
    for row in windows.lasting():
        freezes.setdefault(row.scope, []).append(row)
    return Causes(
        standing=read_standing(),
        freezes=freezes,
        given=approvals.given_on_any(waiting.values()),
        ends=expected_ends(row for row in rows if row.is_active and row.target_id in waiting),
        full=own_disk.why_full() if waiting else "",
        workers=claims.live_workers().exists() if waiting else True,
        now=locks.clock(),
    )


def count_waiting() -> int:
    """How many deploys wait, for the navigation: by the index of open deploys."""
    held = Q(status=DeployStatus.RUNNING, held=True, prepared_at__isnull=False)
    return Deploy.objects.filter(Q(status=DeployStatus.WAITING) | held).count()


def _line_of(rows: Sequence[Deploy], causes: Causes) -> Line:
    """The rows are all open deploys of one target."""
    running = next((row for row in rows if row.is_active), None)
    line = Line(rows[0].target, running)
    if running is not None and running.held:
        line.items.append(_held_item(running))
    waiting = [row for row in rows if row.status == DeployStatus.WAITING]
    line.items += [_met_item(row) for row in waiting if row.met_lock is not None]
    queue = [row for row in waiting if row.met_lock is None]
    queue.sort(key=turns.place_of)  # as lifecycle.next_waiting takes them
    for place, row in enumerate(queue, start=1):
        ahead = [one for one in (running, *queue[max(0, place - 2) : place - 1]) if one is not None]
        mark, whys = mark_of_deploy(row.status), _whys(row, ahead, causes)
        line.items.append(Item(row, mark, place, whys, row.flip_at, row.held))
    return line


def _held_item(deploy: Deploy) -> Item:
    if not deploy.rests:
        why = "It is being prepared, and stops before it goes live."
        return Item(deploy, mark_of_deploy(deploy.status), 0, [Why(why, None)], deploy.flip_at, flips=True)
    why = "It is prepared, and goes live by itself." if deploy.flip_at else "It is prepared. A person lets it go live."
    return Item(deploy, PREPARED, 0, [Why(why, None)], deploy.flip_at, flips=True)


def _met_item(deploy: Deploy) -> Item:
    """Held by a lock: a person deploys or drops it."""
    assert deploy.met_lock is not None
    met = blockers.met(deploy.met_lock)
    why = met.text if deploy.met_lock.is_over else f"{met.text}. Whoever unlocks decides."
    return Item(deploy, Mark("d-waiting", "warn", "Held"), 0, [Why(why, None)], None, flips=False)


def _whys(deploy: Deploy, ahead: Sequence[Deploy], causes: Causes) -> list[Why]:
    """All that it waits for and until when. Asks nobody: a server of builds is asked by workers."""
    by, machine = deploy.asker
    target, over, scopes = deploy.target, deploy.over_locks, locks.covering(deploy.target)
    applying = [lock for scope in scopes for lock in causes.standing.get(scope, ())]
    real = [lock for lock in applying if lock.kind == LockKind.LOCK and not over]
    found = [
        Why(f"{locks.tell_who(it)}: {it.reason}", it.until) for it in locks.in_the_way(real, by=by, automatic=machine)
    ]
    if not over and deploy.kind not in NEVER_WAIT:
        frozen = [row for scope in scopes for row in causes.freezes.get(scope, ())]
        shut = closed(target, frozen, now=causes.now)
        found += [Why(it.text, datetime.fromisoformat(it.until) if it.until else None) for it in shut]
    if not approvals.may_start(deploy, target, causes.given):
        asked = approvals.standing(target, deploy.subject, causes.given, askers=approvals.askers_of(deploy))
        found.append(Why(asked.words, None))
    for before in ahead:
        end = "to go live" if before.rests else "to end"
        waits = before.status == DeployStatus.WAITING and before.build_missing_since is not None
        more = " It waits for its build." if waits else ""
        found.append(Why(f"For #{before.number} of {before.by_name} {end}.{more}", causes.ends.get(before.pk)))
    if target.left_at is not None:
        found.append(Why(blockers.left(target).text, None))
    if causes.full:
        found.append(Why(causes.full, None))
    if deploy.kind == Kind.DEPLOY and blockers.must_be_asked(target, deploy.revision):
        until, address = deploy.build_awaited_until, artifacts.address_of(target.application, deploy.revision)
        more = f" {blockers.tell_awaited(until)}" if until else ""
        found.append(Why(f"For its build: {address}.{more}", until))
    if not causes.workers:
        found.append(Why(blockers.NO_WORKER.text, None))
    return found or [Why("Its turn is next; a worker starts it within seconds.", None)]


def _read_unclear(user: User | None) -> list[Stuck]:
    """Targets whose last deploy ended so that a person must decide."""
    found = Target.objects.filter(sight.of_targets(user), standing__latest__status=DeployStatus.NEEDS_ATTENTION)
    rows = found.select_related("application", "environment", "standing__latest")
    rows = rows.defer(*untold_of_target(""), *untold("standing__latest", DEPLOY))[: MOST_STUCK + 1]
    mark = mark_of_deploy(DeployStatus.NEEDS_ATTENTION)
    latest = [(row, row.standing.latest) for row in rows]
    return [Stuck(row, mark, deploy.reason, deploy) for row, deploy in latest if deploy is not None]


def _read_barred(user: User | None) -> list[Stuck]:
    """Targets that were left to another tool, or whose environment has no host that takes part."""
    here = Membership.objects.filter(host__transport=Transport.SSH).order_by()
    able = here.filter(host__aside="", host__observed=False).values("environment")  # asked once, not for each target
    found = Target.objects.filter(sight.of_targets(user)).filter(Q(left_at__isnull=False) | ~Q(environment__in=able))
    barred = found.annotate(hosts=Exists(here.filter(environment=OuterRef("environment"))))
    barred = barred.select_related("application", "environment").defer(*untold_of_target(""))
    return [Stuck(row, Mark("d-attention", "warn", "Blocked"), _tell_barred(row)) for row in barred[: MOST_STUCK + 1]]


def _tell_barred(target: Target) -> str:
    if target.left_at is not None:
        return blockers.left(target).text
    if getattr(target, "hosts", False):
        return f"Every host of {target.environment.name} is set aside or only observed. Take one back."
    return f"{target.environment.name} has no hosts yet. Add one."


def _tell_headline(waiting: int, locked: int, held: int, stuck: int) -> str:
    if not (waiting or locked or held or stuck):
        return "Nothing waits."
    parts: Mapping[str, int] = {
        count_words(waiting, "deploy waits", "deploys wait"): waiting,
        count_words(locked, "is held by a lock", "are held by locks"): locked,
        count_words(held, "is held before it goes live", "are held before they go live"): held,
        count_words(stuck, "target needs someone", "targets need someone"): stuck,
    }
    told = [words for words, number in parts.items() if number]
    return ", ".join([told[0], *(words[0].lower() + words[1:] for words in told[1:])]) + "."
