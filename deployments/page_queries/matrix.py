"""The matrix of the first page: a row per application, a cell per environment."""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
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
    revision: str | None
    behind: int | None
    ahead: int | None
    compared: str | None
    configured: int = 0

    @property
    def alarms(self) -> bool:
        """Red until it is resolved: by the next deploy, whichever it is."""
        return self.status in ALARMS


def read_targets(user: User | None = None) -> list[TargetRow]:
    """One row per target with its pointers. Plain values: 1,600 objects would cost more than the query."""
    rows = Target.objects.filter(sight.of_targets(user), name="").values_list(
        "pk",
        "application__name",
        "application__default_branch",
        "environment_id",
        "standing__latest_id",
        "standing__latest__status",
        "standing__live_id",
        "standing__live__revision",
        "standing__behind",
        "standing__ahead",
        "standing__compared",
        "configuration_at",
    )
    return [TargetRow(*row) for row in rows]


class LiveFacts(NamedTuple):
    """What a cell tells of the deploy that put its revision there."""

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
    rows_of = found.values_list("pk", "ref", "by_name", "finished_at", "requested_at", "release__configuration")
    return {row[0]: LiveFacts(*row[1:]) for row in rows_of}


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
    cells: list[Cell] = []
    before = ""
    for environment in environments:
        row = by_environment.get(environment.pk)
        if row is None:
            cells.append(Cell(void=True))
            continue
        cell = _build_cell(row, environment.name, facts.get(row.live or 0), opened.get(row.pk), progress)
        cells.append(replace(cell, gap=gap_of(row, before), lock=locked(environment.name)))
        before = cell.revision or before
    there = [cell for cell in cells if not cell.void]
    return Row(members[0].application, members[0].branch, _pass_through(cells), mine, starred, _is_calm(there))


def gap_of(row: TargetRow, before: str) -> Gap | None:
    """Between this target and `before`, what is live in the environment before it; None where nobody knows."""
    if not row.revision or not before:
        return None
    if row.revision == before:
        return Gap(same=True)
    if row.compared != key_of(row.revision, before) or not (row.behind or row.ahead):
        return None
    return Gap(behind=row.behind or 0, ahead=row.ahead or 0)


def open_by_target(open_deploys: Sequence[Deploy]) -> dict[int, Deploy]:
    """Of each target the deploy that is under way, else the first that waits."""
    found: dict[int, Deploy] = {}
    for deploy in open_deploys:  # oldest first
        if deploy.target_id not in found or deploy.is_active:
            found[deploy.target_id] = deploy
    return found


def _pass_through(cells: Sequence[Cell]) -> tuple[Cell, ...]:
    """Mark the empty cells that lie between two targets."""
    there = [n for n, cell in enumerate(cells) if not cell.void]
    inner = range(there[0], there[-1]) if there else range(0)
    return tuple(replace(cell, passes=True) if cell.void and n in inner else cell for n, cell in enumerate(cells))


def _is_calm(cells: Sequence[Cell]) -> bool:
    """The same revision everywhere and no mark: on a phone one line is enough."""
    return (
        len(cells) > 1
        and len({cell.revision for cell in cells}) == 1
        and not any(cell.mark or cell.lock for cell in cells)
    )


def _build_cell(
    row: TargetRow,
    environment: str,
    facts: LiveFacts | None,
    opened: Deploy | None,
    progress: Mapping[int, Progress],
) -> Cell:
    cell = Cell(
        application=row.application,
        environment=environment,
        revision=row.revision or "",
        ref=facts.ref if facts else "",
        at=(facts.finished_at or facts.requested_at) if facts else None,
        who=facts.who if facts else "",
        stale=facts is not None and row.configured > facts.upto,
    )
    if opened is not None:
        mark = mark_of_deploy(opened.status)
        if not opened.is_active:
            return replace(cell, mark=mark, words=f"#{opened.number} waits")
        done = progress[opened.pk]
        told = f"{done.live} of {done.total}" if opened.status == DeployStatus.RUNNING else mark.words.lower()
        return replace(
            cell,
            mark=mark,
            words=told,
            going_to=opened.revision,
            who=opened.by_name,
            active=True,
            live=done.live,
            broken=done.broken,
            total=done.total,
        )
    if row.latest and row.status and row.alarms:
        done, mark = progress[row.latest], mark_of_deploy(row.status)
        partial = row.status == DeployStatus.PARTIAL
        told = f"{done.live} of {done.total} hosts" if partial else mark.words.lower()
        return replace(cell, mark=mark, alarm=True, words=told)
    return cell
