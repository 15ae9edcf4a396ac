"""The matrix of the first page: a row per application, a cell per environment."""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import groupby
from typing import Any, NamedTuple

from deployments.distances import key_of
from deployments.models import Deploy
from deployments.page_queries.words import ALARMS, BROKEN, Mark, mark_of_deploy
from deployments.states import DeployStatus, RunStatus
from environments import sight
from environments.models import Environment, Target, User


@dataclass(slots=True)
class Progress:
    """How far the hosts of one deploy are."""

    counts: Counter[str] = field(default_factory=Counter)

    @property
    def total(self) -> int:
        return self.counts.total()

    @property
    def live(self) -> int:
        return self.counts[RunStatus.LIVE]

    @property
    def broken(self) -> int:
        return sum(self.counts[status] for status in BROKEN)


@dataclass(frozen=True, slots=True)
class Gap:
    """What lies between a target and the environment before it: the `same` revision, or commits either way."""

    same: bool = False
    behind: int = 0
    ahead: int = 0

    @property
    def figure(self) -> str:
        """What stands in the small space between two cells."""
        return str(self.behind) if self.behind else f"+{self.ahead}"

    @property
    def words(self) -> str:
        """`4 behind, 2 ahead`; `same`."""
        parts = [f"{self.behind} behind" if self.behind else "", f"{self.ahead} ahead" if self.ahead else ""]
        return ", ".join(filter(None, parts)) or "same"


@dataclass(frozen=True, slots=True)
class Cell:
    """One target in the matrix; `void`: the application is not deployed here, `passes`: its way leads through."""

    application: str = ""
    environment: str = ""
    revision: str = ""
    ref: str = ""
    at: datetime | None = None
    who: str = ""
    mark: Mark | None = None
    words: str = ""
    alarm: bool = False
    gap: Gap | None = None
    going_to: str = ""
    active: bool = False
    live: int = 0
    broken: int = 0
    total: int = 0
    void: bool = False
    passes: bool = False
    stale: bool = False  # values that reach it were changed since what is live was made
    lock: str = ""


_VOID, _PASSED = Cell(void=True), Cell(void=True, passes=True)


@dataclass(frozen=True, slots=True)
class Row:
    """One application, with a cell per environment, in the order of the environments."""

    application: str
    branch: str
    cells: tuple[Cell, ...]
    mine: bool
    starred: bool
    calm: bool


class TargetRow(NamedTuple):
    """A target with what its pointers point to; None where nothing was deployed yet."""

    pk: int
    application: str
    branch: str
    environment: int
    latest: int | None
    status: str | None
    live: int | None
    behind: int | None
    ahead: int | None
    compared: str | None
    configured: int = 0

    @property
    def alarms(self) -> bool:
        """Red until it is resolved: by the next deploy, whichever it is."""
        return self.status in ALARMS


def read_targets(user: User | None = None) -> list[TargetRow]:
    """One row per target with its pointers. Plain values: 1,600 objects would cost more than the query.

    What those point to is read of the rows that are shown (read_live_facts), but for what alarms.
    """
    rows = Target.objects.filter(sight.of_targets(user), name="").values_list(
        "pk",
        "application__name",
        "application__default_branch",
        "environment_id",
        "standing__latest_id",
        "standing__latest__status",
        "standing__live_id",
        "standing__behind",
        "standing__ahead",
        "standing__compared",
        "configuration_at",
    )
    return [TargetRow(*row) for row in rows]


class LiveFacts(NamedTuple):
    """What a cell tells of the deploy that put its revision there."""

    revision: str
    ref: str
    who: str
    finished_at: datetime | None
    requested_at: datetime
    configuration: dict[str, Any] | None = None

    @property
    def upto(self) -> int:
        """The newest change of a value when its release was made."""
        return int(self.configuration["upto"]) if self.configuration else 0


def read_live_facts(rows: Iterable[TargetRow]) -> dict[int, LiveFacts]:
    """Of those rows that are shown; times of all targets would cost more than everything else."""
    shown = [row.live for row in rows if row.live]
    found = Deploy.objects.filter(pk__in=shown).order_by()
    words = ("pk", "revision", "ref", "by_name", "finished_at", "requested_at", "release__configuration")
    return {row[0]: LiveFacts(*row[1:]) for row in found.values_list(*words)}


def group_rows(targets: Iterable[TargetRow], first: Callable[[Sequence[TargetRow]], bool]) -> list[list[TargetRow]]:
    """The targets of each application; those that are `first` before the others, both parts by name.

    So nothing moves when a state changes.
    """
    groups = [list(group) for _, group in groupby(targets, key=lambda row: row.application)]
    return sorted(groups, key=lambda members: not first(members))


def build_row(
    members: Sequence[TargetRow],
    *,
    environments: Sequence[Environment],
    opened: Mapping[int, Deploy],
    progress: Mapping[int, Progress],
    facts: Mapping[int, LiveFacts],
    mine: bool = False,
    starred: bool = False,
    locked: Callable[[str], str] = lambda environment: "",
) -> Row:
    """The row of one application; `locked` tells of an environment in it who holds it, or nothing."""
    by_environment = {it.environment: it for it in members}
    there = [n for n, environment in enumerate(environments) if environment.pk in by_environment]
    cells: list[Cell] = []
    before = ""
    for n, environment in enumerate(environments):
        row = by_environment.get(environment.pk)
        if row is None:
            cells.append(_PASSED if there and there[0] < n < there[-1] else _VOID)
            continue
        fact = facts.get(row.live or 0)
        revision = fact.revision if fact else ""
        told = Cell(
            application=row.application,
            environment=environment.name,
            revision=revision,
            ref=fact.ref if fact else "",
            at=(fact.finished_at or fact.requested_at) if fact else None,
            stale=fact is not None and row.configured > fact.upto,
            gap=gap_of(row, revision, before),
            lock=locked(environment.name),
            **_tell_latest(row, fact, opened.get(row.pk), progress),
        )
        cells.append(told)
        before = revision or before
    calm = _is_calm([cell for cell in cells if not cell.void])
    return Row(members[0].application, members[0].branch, tuple(cells), mine, starred, calm)


def gap_of(row: TargetRow, revision: str, before: str) -> Gap | None:
    """Between `revision`, which is live on this target, and what is in the environment before; None: nobody knows."""
    if not revision or not before:
        return None
    if revision == before:
        return Gap(same=True)
    if row.compared != key_of(revision, before) or not (row.behind or row.ahead):
        return None
    return Gap(behind=row.behind or 0, ahead=row.ahead or 0)


def open_by_target(open_deploys: Sequence[Deploy]) -> dict[int, Deploy]:
    """Of each target the deploy that is under way, else the first that waits."""
    found: dict[int, Deploy] = {}
    for deploy in open_deploys:  # oldest first
        if deploy.target_id not in found or deploy.is_active:
            found[deploy.target_id] = deploy
    return found


def _is_calm(cells: Sequence[Cell]) -> bool:
    """The same revision everywhere and no mark: on a phone one line is enough."""
    return (
        len(cells) > 1
        and len({cell.revision for cell in cells}) == 1
        and not any(cell.mark or cell.lock for cell in cells)
    )


def _tell_latest(
    row: TargetRow, fact: LiveFacts | None, opened: Deploy | None, progress: Mapping[int, Progress]
) -> dict[str, Any]:
    """What a cell says besides what is live: what is under way or waits, or what went wrong last; and who did it."""
    who = fact.who if fact else ""
    if opened is not None:
        mark = mark_of_deploy(opened.status)
        if not opened.is_active:
            return {"who": who, "mark": mark, "words": f"#{opened.number} waits"}
        done = progress[opened.pk]
        told = f"{done.live} of {done.total}" if opened.status == DeployStatus.RUNNING else mark.words.lower()
        hosts = {"live": done.live, "broken": done.broken, "total": done.total}
        going = {"going_to": opened.revision, "active": True}
        return {"who": opened.by_name, "mark": mark, "words": told, **going, **hosts}
    if row.latest and row.status and row.alarms:
        done, mark = progress[row.latest], mark_of_deploy(row.status)
        partial = row.status == DeployStatus.PARTIAL
        told = f"{done.live} of {done.total} hosts" if partial else mark.words.lower()
        return {"who": who, "mark": mark, "alarm": True, "words": told}
    return {"who": who}
