"""What to do next for a deploy. Pure: reads what is true, decides, touches nothing."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

from deployments.states import RUN_OPEN, DeployStatus, RunStatus

R, S = RunStatus, DeployStatus
Work = Literal["task", "prepare", "once", "switch", "finish", "stop"]
# unknown: the host that it was given to has not told its end, and the steps may not run on another
Once = Literal["none", "open", "ok", "failed", "unknown"]


class Run(NamedTuple):
    """A host run as the plan sees it; `free`: nobody alive works on it."""

    id: int
    wave: int
    status: str
    free: bool
    region: str = ""
    host: str = ""
    switched: bool = False  # the host's `current` became this deploy's release
    queue: str = ""  # of the workers that serve its region


_NOT_ONCE = {
    "failed": "A step that runs once before the switch failed. Nothing was switched.",
    "unknown": (
        "The host that was to run a step once before the switch has not told how that ended, and the step may not run "
        "twice. Nothing was switched. Look there, then retry."
    ),
}


@dataclass(frozen=True)
class Picture:
    """All that is true of a deploy and matters for its next step."""

    status: str
    runs: Sequence[Run]
    needed: int = 0
    needed_per_region: int = 0
    once: Once = "none"
    once_runs: frozenset[int] = frozenset()
    overdue: bool = False  # cancelled so long ago that hosts which have not answered are not waited for
    task: bool = False  # a command between deploys: it runs on each host, and nothing switches
    all_or_none: bool = False  # one host that could not be prepared keeps all from switching
    held: bool = False  # nothing switches before someone says so
    flip_due: bool = False  # the time has come at which a held deploy goes live by itself


@dataclass(frozen=True)
class Do:
    """Work for workers, on these host runs."""

    work: Work
    runs: tuple[int, ...]


@dataclass(frozen=True)
class Skip:
    """Host runs that shall not go on, and why."""

    runs: tuple[int, ...]
    why: str


@dataclass(frozen=True)
class Drop:
    """Host runs of a cancelled deploy that end without asking the host, and what is true of them."""

    runs: tuple[int, ...]
    why: str
    begun: bool = False  # something may have been started there


@dataclass(frozen=True)
class End:
    """The deploy is over."""

    status: str
    reason: str


@dataclass(frozen=True)
class Wait:
    """Others are at work."""


@dataclass(frozen=True)
class Rest:
    """Enough is prepared; someone must say that it goes live."""


@dataclass(frozen=True)
class Flip:
    """It goes live by itself now."""


Action = Do | Skip | Drop | End | Wait | Rest | Flip


def next(picture: Picture) -> Action:
    """The one thing to do now. Calling it again, or twice at once, is harmless."""
    if not any(run.status in RUN_OPEN for run in picture.runs):
        return _end(picture)
    if picture.status == DeployStatus.CANCELLING:
        return _cancel(picture)
    if picture.task:
        todo = _ids(picture.runs, R.PENDING, R.PREPARING, free=True)
        return Do("task", todo) if todo else Wait()
    wave = min(run.wave for run in picture.runs if run.status in RUN_OPEN)
    runs = [run for run in picture.runs if run.wave == wave]
    return _prepare(runs) or _gate(picture, runs) or _hold(picture) or _once(picture, runs) or _go_live(runs)


def _ids(runs: Sequence[Run], *statuses: str, free: bool = False) -> tuple[int, ...]:
    return tuple(run.id for run in runs if run.status in statuses and (run.free or not free))


def _cancel(picture: Picture) -> Action:
    if picture.overdue:
        late = "It did not answer in time; what was started there may still run."
        return Drop(_ids(picture.runs, *RUN_OPEN), late, begun=True)
    untouched = _ids(picture.runs, R.PENDING, free=True)
    if untouched:
        return Drop(untouched, "It had not begun.")
    begun = _ids(picture.runs, R.PREPARING, R.PREPARED, R.SWITCHED, free=True)
    return Do("stop", begun) if begun else Wait()


def _prepare(runs: Sequence[Run]) -> Action | None:
    if not _ids(runs, R.PENDING, R.PREPARING):
        return None
    todo = _ids(runs, R.PENDING, R.PREPARING, free=True)
    return Do("prepare", todo) if todo else Wait()


def _gate(picture: Picture, runs: Sequence[Run]) -> Action | None:
    """Whether enough hosts are prepared; asked only before the first of the wave has switched."""
    if _ids(runs, R.SWITCHED, R.LIVE) or not _ids(runs, R.PREPARED):
        return None
    missing = lacking(picture, runs)
    if not missing:
        return None
    open_runs = _ids(picture.runs, *RUN_OPEN, free=True)
    return Skip(open_runs, missing) if open_runs else Wait()


def lacking(picture: Picture, runs: Sequence[Run]) -> str:
    """Why the prepared ones of a wave may not switch without the others; "" if they may."""
    ready = _ids(runs, R.PREPARED)
    if picture.all_or_none and len(ready) < len(runs):
        names = ", ".join(run.host for run in runs if run.status != R.PREPARED)
        return f"{names} could not be prepared, and this target switches all hosts or none. Nothing was switched."
    if len(ready) * 100 < picture.needed * len(runs):
        return (
            f"Only {len(ready)} of {len(runs)} hosts could be prepared, {picture.needed} % are needed. "
            "Nothing was switched."
        )
    sizes, prepared = (
        Counter(run.region for run in runs),
        Counter(run.region for run in runs if run.status == R.PREPARED),
    )
    for region, size in sorted(sizes.items()):
        if prepared[region] * 100 < picture.needed_per_region * size:
            return (
                f"Only {prepared[region]} of {size} hosts in {region or 'no region'} could be prepared, "
                f"{picture.needed_per_region} % are needed. Nothing was switched."
            )
    return ""


def _hold(picture: Picture) -> Action | None:
    if not picture.held or any(run.status in (R.SWITCHED, R.LIVE) for run in picture.runs):
        return None
    return Flip() if picture.flip_due else Rest()


def _once(picture: Picture, runs: Sequence[Run]) -> Action | None:
    if picture.once in ("none", "ok") or not _ids(runs, R.PREPARED):
        return None
    if picture.once in _NOT_ONCE:
        todo = _ids(picture.runs, *RUN_OPEN, free=True)
        return Skip(todo, _NOT_ONCE[picture.once]) if todo else Wait()
    able = [run for run in runs if run.status == R.PREPARED and run.id in picture.once_runs]
    if not able:
        todo = _ids(picture.runs, *RUN_OPEN, free=True)
        return (
            Skip(todo, "No prepared host has the role of the step that runs once before the switch.")
            if todo
            else Wait()
        )
    return Do("once", (able[0].id,)) if able[0].free else Wait()


def _go_live(runs: Sequence[Run]) -> Action:
    ready = _ids(runs, R.PREPARED)
    if ready:
        # one process arms all of a wave that it can reach, so that they flip together: of each queue all or none
        busy = {run.queue for run in runs if run.status == R.PREPARED and not run.free}
        whole = tuple(run.id for run in runs if run.status == R.PREPARED and run.queue not in busy)
        return Do("switch", whole) if whole else Wait()
    todo = _ids(runs, R.SWITCHED, free=True)
    return Do("finish", todo) if todo else Wait()


def _end(picture: Picture) -> End:
    runs = picture.runs
    unknown = ", ".join(run.host for run in runs if run.status == R.UNKNOWN)
    live, switched = _ids(runs, R.LIVE), [run for run in runs if run.switched or run.status == R.LIVE]
    if picture.status == DeployStatus.CANCELLING and len(live) < len(runs):
        return End(DeployStatus.CANCELLED, _tell_cancelled(picture, switched, unknown))
    if unknown:
        told = f"Nobody knows what happened on {unknown}. Look there, then deploy again."
        return End(DeployStatus.NEEDS_ATTENTION, told)
    if picture.task:
        return _end_task(picture)
    if len(live) == len(runs):
        all_live = "The only host is live." if len(runs) == 1 else f"{len(live)} of {len(runs)} hosts are live."
        return End(DeployStatus.SUCCEEDED, all_live)
    if live:
        return End(DeployStatus.PARTIAL, f"{len(live)} of {len(runs)} hosts are live.")
    nothing = "The only host did not go live." if len(runs) == 1 else f"None of {len(runs)} hosts went live."
    return End(DeployStatus.FAILED, f"{nothing} But {_of(switched, runs)} the new release." if switched else nothing)


def _tell_cancelled(picture: Picture, switched: Sequence[Run], unknown: str) -> str:
    runs = picture.runs
    if picture.task:
        return f"Cancelled; it ran to its end on {len(switched)} of {len(runs)} hosts."
    if not switched and not unknown:
        return "Cancelled; nothing was switched."
    doubt = f" Nobody knows what {unknown} runs; look there." if unknown else ""
    return f"Cancelled; {_of(switched, runs)} the new release.{doubt}"


def _end_task(picture: Picture) -> End:
    done, all_runs = len(_ids(picture.runs, R.LIVE)), len(picture.runs)
    told = f"It ran on {done} of {all_runs} hosts." if all_runs > 1 else f"It ran{'' if done else ' into an error'}."
    return End(S.SUCCEEDED if done == all_runs else S.PARTIAL if done else S.FAILED, told)


def _of(some: Sequence[Run], runs: Sequence[Run]) -> str:
    if len(runs) == 1:
        return "the only host runs" if some else "the only host does not run"
    return f"{len(some)} of {len(runs)} hosts run"
