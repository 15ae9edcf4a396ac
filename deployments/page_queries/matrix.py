"""The matrix of the first page: a row per application, a cell per environment."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import groupby
from typing import NamedTuple

from deployments.models import Deploy
from deployments.page_queries.words import ALARMS, BROKEN, Mark, mark_of_deploy
from deployments.states import DeployStatus, RunStatus
from environments.models import Environment, Target


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


@dataclass(slots=True)
class Cell:
    """One target in the matrix."""

    application: str
    environment: str
    revision: str = ""
    ref: str = ""
    at: datetime | None = None
    who: str = ""
    mark: Mark | None = None
    words: str = ""
    alarm: bool = False
    same: bool = False
    going_to: str = ""
    progress: Progress | None = None


@dataclass(slots=True)
class Row:
    """One application, with a cell or None per environment, in the order of the environments."""

    application: str
    branch: str
    cells: list[Cell | None]
    mine: bool
    attention: bool
    calm: bool


class TargetRow(NamedTuple):
    """A target with what its pointers point to; None where nothing was deployed yet."""

    pk: int
    application: str
    branch: str
    environment: int
    latest: int | None
    status: str | None
    revision: str | None
    ref: str | None
    who: str | None
    finished_at: datetime | None
    requested_at: datetime | None


def read_targets() -> list[TargetRow]:
    """One row per target with its pointers. Plain values: 1,600 objects would cost more than the query."""
    rows = Target.objects.filter(name="").values_list(
        "pk",
        "application__name",
        "application__default_branch",
        "environment_id",
        "standing__latest_id",
        "standing__latest__status",
        "standing__live__revision",
        "standing__live__ref",
        "standing__live__by_name",
        "standing__live__finished_at",
        "standing__live__requested_at",
    )
    return [TargetRow(*row) for row in rows]


def build_rows(
    *,
    environments: Sequence[Environment],
    targets: Sequence[TargetRow],
    open_deploys: Sequence[Deploy],
    progress: Mapping[int, Progress],
    mine: set[int],
) -> list[Row]:
    """The rows, the viewer's own applications first, both parts by name; so nothing moves when a state changes."""
    names = {environment.pk: environment.name for environment in environments}
    opened: dict[int, Deploy] = {}
    for deploy in open_deploys:  # oldest first; an active one wins over those that wait behind it
        if deploy.target_id not in opened or deploy.is_active:
            opened[deploy.target_id] = deploy

    def row_of(application: str, branch: str, members: Sequence[TargetRow]) -> Row:
        cells = {it.environment: _build_cell(it, names[it.environment], opened.get(it.pk), progress) for it in members}
        in_order = [cells.get(environment.pk) for environment in environments]
        _join_same(in_order)
        mine_too = any(it.pk in mine for it in members)
        attention = any(cell.alarm for cell in cells.values())
        return Row(application, branch, in_order, mine_too, attention, _is_calm(list(cells.values())))

    groups = groupby(targets, key=lambda row: (row.application, row.branch))
    return sorted((row_of(*key, list(group)) for key, group in groups), key=lambda row: not row.mine)


def _join_same(cells: Sequence[Cell | None]) -> None:
    """Mark each cell that runs the same revision as the one before it."""
    before = ""
    for cell in cells:
        if cell is not None:
            cell.same = bool(before) and cell.revision == before
            before = cell.revision


def _is_calm(cells: Sequence[Cell]) -> bool:
    """The same revision everywhere and no mark: on a phone one line is enough."""
    return len(cells) > 1 and len({cell.revision for cell in cells}) == 1 and not any(cell.mark for cell in cells)


def _build_cell(row: TargetRow, environment: str, opened: Deploy | None, progress: Mapping[int, Progress]) -> Cell:
    cell = Cell(
        application=row.application,
        environment=environment,
        revision=row.revision or "",
        ref=row.ref or "",
        at=row.finished_at or row.requested_at,
        who=row.who or "",
    )
    if opened is not None:
        cell.mark = mark_of_deploy(opened.status)
        if opened.is_active:
            done = cell.progress = progress[opened.pk]
            cell.going_to, cell.who = opened.revision, opened.by_name
            cell.words = (
                f"{done.live} of {done.total}" if opened.status == DeployStatus.RUNNING else cell.mark.words.lower()
            )
        else:
            cell.words = f"#{opened.number} waits"
    elif row.latest and row.status in ALARMS:
        done = progress[row.latest]
        cell.mark, cell.alarm = mark_of_deploy(row.status), True
        partial = row.status == DeployStatus.PARTIAL
        cell.words = f"{done.live} of {done.total} hosts" if partial else cell.mark.words.lower()
    return cell
