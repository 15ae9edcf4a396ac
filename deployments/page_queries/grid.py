"""The hosts of a deploy by region and zone, as its page draws them. Pure; static/js/grid.js keeps it true.

Up to NAMED hosts stand with name and step; more are cells, one picture per zone, large ones up to LARGE_MOST.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby

from deployments.models import HostRun
from deployments.page_queries.words import BROKEN, Mark, mark_of_run, tell_hosts
from deployments.states import RUN_FINAL, RunStatus

NAMED = 40
LARGE_MOST = 250
SQUARES_MOST = 2000  # a page with more is slow to make, to send and to show, and nobody looks at each
BROKEN_MOST = 40  # in one zone
LARGE, SMALL = (14, 17, 12), (8, 10, 20)  # of a cell: pixels, pixels to the next one, how many in a row
_R = RunStatus


@dataclass(slots=True)
class Square:
    """One host's part, and where its cell is."""

    run: HostRun
    mark: Mark
    words: str
    since: datetime | None
    x: int = 0
    y: int = 0

    def tag_facts(self) -> tuple[object, ...]:
        """Of a thousand of them, only what the page shows."""
        return self.run.host_name, self.run.status, self.words, self.run.started_at, self.run.finished_at


@dataclass(slots=True)
class ZoneGrid:
    """The hosts of a zone."""

    name: str
    squares: list[Square]
    rest: str  # of very many hosts only those that need someone have a square; where the others are, in a sentence
    height: int = 0


@dataclass(slots=True)
class RegionGrid:
    """The zones of a region, and how its hosts are."""

    name: str
    zones: list[ZoneGrid]
    sentence: str
    bad: bool


@dataclass(slots=True)
class Grid:
    """All hosts. `cell` is the size of one in pixels, 0 where they stand with names; `columns` of them in a row."""

    regions: list[RegionGrid]
    total: int
    cell: int = 0
    columns: int = 0
    width: int = 0

    @property
    def zones(self) -> int:
        return sum(len(region.zones) for region in self.regions)


def build_grid(runs: Sequence[HostRun], goal: str) -> Grid:
    """Regions and zones in the order of `runs`; a host without one stands under an empty name."""
    grid = Grid([_region(region, list(members), goal, len(runs)) for region, members in _by(runs, "region")], len(runs))
    if NAMED < len(runs) <= SQUARES_MOST:
        grid.cell, pitch, grid.columns = LARGE if len(runs) <= LARGE_MOST else SMALL
        grid.width = grid.columns * pitch
        for region in grid.regions:
            for zone in region.zones:
                _place(zone, grid.columns, pitch)
    return grid


def _by(runs: Sequence[HostRun], name: str) -> "groupby[str, HostRun]":
    return groupby(runs, key=lambda run: str(getattr(run, name)))


def _region(name: str, runs: list[HostRun], goal: str, total: int) -> RegionGrid:
    counts = Counter(run.status for run in runs)
    zones = [_zone(zone, list(in_zone), goal, many=total > SQUARES_MOST) for zone, in_zone in _by(runs, "zone")]
    bad = sum(counts[status] for status in BROKEN)
    sentence = f"{counts[_R.LIVE]} of {len(runs)} {goal}" + (f", {bad} failed" if bad else "")
    return RegionGrid(name, zones, sentence, bool(bad))


def _zone(name: str, runs: Sequence[HostRun], goal: str, *, many: bool) -> ZoneGrid:
    if not many:
        return ZoneGrid(name, [_square(run, goal) for run in runs], "")
    shown = [run for run in runs if run.status in BROKEN][:BROKEN_MOST]
    rest = tell_hosts(Counter(run.status for run in runs), goal=goal)
    return ZoneGrid(name, [_square(run, goal) for run in shown], rest)


def _place(zone: ZoneGrid, columns: int, pitch: int) -> None:
    for index, square in enumerate(zone.squares):
        square.x, square.y = index % columns * pitch, index // columns * pitch
    zone.height = -(-len(zone.squares) // columns) * pitch


def _square(run: HostRun, goal: str) -> Square:
    mark = mark_of_run(run.status)
    words = goal if run.status == _R.LIVE else mark.words
    if run.status == _R.LIVE and run.started_at and run.finished_at:
        seconds = round((run.finished_at - run.started_at).total_seconds())
        words = f"{goal} after {seconds // 60}:{seconds % 60:02}"
    elif run.step and run.status in (_R.PREPARING, _R.SWITCHED):
        words = run.step
    elif run.status == _R.CANCELLED and run.switched_at:
        words = "cancelled, switched"
    elif run.status == _R.FAILED and run.step:
        words = f"failed at {run.step}"
    since = run.started_at if run.status not in RUN_FINAL else None
    return Square(run, mark, words, since)
