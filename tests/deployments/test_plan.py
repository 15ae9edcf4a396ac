"""What comes next, decided without touching anything: by table, and by walking every way that a deploy may go."""

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deployments import plan
from deployments.plan import Do, Drop, End, Picture, Run, Skip, Wait
from deployments.states import RUN_FINAL, RUN_MOVES, RUN_OPEN, RunStatus

R = RunStatus


def runs(*statuses: str, busy: tuple[int, ...] = (), regions: str = "", wave: int = 0) -> list[Run]:
    """Host runs 1, 2, …; `busy` ones are claimed; `regions` has a letter for each."""
    return [
        Run(n, wave, status, n not in busy, regions[n - 1] if regions else "", f"web-{n}")
        for n, status in enumerate(statuses, 1)
    ]


TABLE: dict[str, tuple[Picture, plan.Action]] = {
    "all are prepared first": (Picture("running", runs("pending", "pending")), Do("prepare", (1, 2))),
    "only what is free": (Picture("running", runs("pending", "pending", busy=(1,))), Do("prepare", (2,))),
    "a dead worker's run is prepared anew": (Picture("running", runs("preparing", "prepared")), Do("prepare", (1,))),
    "others prepare": (Picture("running", runs("preparing", "prepared", busy=(1,))), Wait()),
    "together is one switch": (Picture("running", runs("prepared", "prepared", "prepared")), Do("switch", (1, 2, 3))),
    "nobody switches while one is held": (Picture("running", runs("prepared", "prepared", busy=(2,))), Wait()),
    "a failed host is left out": (Picture("running", runs("prepared", "failed"), needed=50), Do("switch", (1,))),
    "too few are prepared": (
        Picture("running", runs("prepared", "failed", "failed"), needed=50),
        Skip((1,), "Only 1 of 3 hosts could be prepared, 50 % are needed. Nothing was switched."),
    ),
    "too few in a region": (
        Picture("running", runs("prepared", "prepared", "failed", regions="aab"), needed=50, needed_per_region=50),
        Skip((1, 2), "Only 0 of 1 hosts in b could be prepared, 50 % are needed. Nothing was switched."),
    ),
    "too few, and others still at work": (
        Picture("running", runs("prepared", "failed", "failed", busy=(1,)), needed=50),
        Wait(),
    ),
    "once, on one host": (
        Picture("running", runs("prepared", "prepared"), once="open", once_runs=frozenset({1, 2})),
        Do("once", (1,)),
    ),
    "once, on one that has the role": (
        Picture("running", runs("prepared", "prepared"), once="open", once_runs=frozenset({2})),
        Do("once", (2,)),
    ),
    "once is being run": (
        Picture("running", runs("prepared", "prepared", busy=(1,)), once="open", once_runs=frozenset({1, 2})),
        Wait(),
    ),
    "once failed": (
        Picture("running", runs("failed", "prepared"), once="failed", once_runs=frozenset({1, 2})),
        Skip((2,), "A step that runs once before the switch failed. Nothing was switched."),
    ),
    "nobody knows how once has ended": (
        Picture("running", runs("unreachable", "prepared"), once="unknown"),
        Skip(
            (2,),
            "The host that was to run a step once before the switch has not told how that ended, and the step may not "
            "run twice. Nothing was switched. Look there, then retry.",
        ),
    ),
    "once has nowhere to run": (
        Picture("running", runs("prepared", "failed"), once="open", once_runs=frozenset({2})),
        Skip((1,), "No prepared host has the role of the step that runs once before the switch."),
    ),
    "once is done": (Picture("running", runs("prepared"), once="ok", once_runs=frozenset({1})), Do("switch", (1,))),
    "the gate is not asked again after a switch": (
        Picture("running", runs("prepared", "switched", "failed", "failed"), needed=90),
        Do("switch", (1,)),
    ),
    "what switched is finished": (Picture("running", runs("switched", "live")), Do("finish", (1,))),
    "others finish": (Picture("running", runs("switched", "live", busy=(1,))), Wait()),
    "all live": (Picture("running", runs("live", "live")), End("succeeded", "2 of 2 hosts are live.")),
    "some live": (Picture("running", runs("live", "unreachable")), End("partial", "1 of 2 hosts are live.")),
    "none live": (Picture("running", runs("failed", "skipped")), End("failed", "None of 2 hosts went live.")),
    "nobody knows": (
        Picture("running", runs("live", "unknown")),
        End("needs_attention", "Nobody knows what happened on web-2. Look there, then deploy again."),
    ),
    "cancel: what has not begun is dropped": (
        Picture("cancelling", runs("pending", "preparing", busy=(2,))),
        Drop((1,), "It had not begun."),
    ),
    "cancel: workers stop what they do": (Picture("cancelling", runs("preparing", busy=(1,))), Wait()),
    "cancel: what nobody works on is stopped": (
        Picture("cancelling", runs("preparing", "prepared", "switched")),
        Do("stop", (1, 2, 3)),
    ),
    "cancel: overdue": (
        Picture("cancelling", runs("preparing", "live", busy=(1,)), overdue=True),
        Drop((1,), "It did not answer in time; what was started there may still run.", begun=True),
    ),
    "cancel: before anything was switched": (
        Picture("cancelling", runs("cancelled", "skipped")),
        End("cancelled", "Cancelled; nothing was switched."),
    ),
    "cancel: nobody knows": (
        Picture("cancelling", runs("cancelled", "unknown")),
        End("cancelled", "Cancelled; 0 of 2 hosts run the new release. Nobody knows what web-2 runs; look there."),
    ),
    "cancel: a task": (
        Picture("cancelling", runs("cancelled", "live"), task=True),
        End("cancelled", "Cancelled; it ran to its end on 1 of 2 hosts."),
    ),
    "cancel: over": (
        Picture("cancelling", runs("cancelled", "live")),
        End("cancelled", "Cancelled; 1 of 2 hosts run the new release."),
    ),
    "cancel: too late": (Picture("cancelling", runs("live", "live")), End("succeeded", "2 of 2 hosts are live.")),
    "the first wave goes first": (
        Picture("running", [*runs("prepared"), Run(2, 1, "pending", True)]),
        Do("switch", (1,)),
    ),
    "then the second": (Picture("running", [*runs("live"), Run(2, 1, "pending", True)]), Do("prepare", (2,))),
    "a first wave that fails stops the second": (
        Picture("running", [*runs("prepared", "failed", "failed"), Run(4, 1, "pending", True)], needed=50),
        Skip((1, 4), "Only 1 of 3 hosts could be prepared, 50 % are needed. Nothing was switched."),
    ),
}


@pytest.mark.parametrize("name", TABLE)
def test_it_decides(name: str) -> None:
    picture, action = TABLE[name]
    assert plan.next(picture) == action


run_lists = st.lists(
    st.tuples(st.sampled_from([str(status) for status in R]), st.booleans(), st.sampled_from("ab"), st.integers(0, 1)),
    min_size=1,
    max_size=7,
)
pictures = st.builds(
    lambda rows, **facts: Picture(
        runs=[Run(n, wave, status, free, region, f"web-{n}") for n, (status, free, region, wave) in enumerate(rows, 1)],
        **facts,
    ),
    run_lists,
    status=st.sampled_from(["running", "cancelling"]),
    needed=st.integers(0, 100),
    needed_per_region=st.integers(0, 100),
    once=st.sampled_from(["none", "open", "ok", "failed", "unknown"]),
    once_runs=st.frozensets(st.integers(1, 7)),
    overdue=st.booleans(),
)


@settings(max_examples=300, deadline=None)
@given(pictures)
def test_it_never_acts_on_what_another_holds(picture: Picture) -> None:
    action = plan.next(picture)
    assert plan.next(picture) == action  # it remembers nothing
    by_id = {run.id: run for run in picture.runs}
    if isinstance(action, Do | Skip | Drop):
        assert action.runs, "an action on nothing would be asked for again for ever"
        assert all(by_id[n].status in RUN_OPEN for n in action.runs)
        if not (isinstance(action, Drop) and picture.overdue):
            assert all(by_id[n].free for n in action.runs)


@settings(max_examples=300, deadline=None)
@given(pictures)
def test_it_never_ends_with_open_runs_nor_switches_before_the_gate(picture: Picture) -> None:
    action = plan.next(picture)
    is_open = any(run.status in RUN_OPEN for run in picture.runs)
    assert isinstance(action, End) == (not is_open)
    if isinstance(action, Do) and action.work == "switch":
        wave = [run for run in picture.runs if run.wave == picture.runs[action.runs[0] - 1].wave]
        prepared = {run.id for run in wave if run.status == R.PREPARED}
        assert picture.status != "cancelling"
        assert not [run for run in wave if run.status in (R.PENDING, R.PREPARING)]
        assert set(action.runs) == prepared, "together is one switch"
        assert picture.once in ("none", "ok")
        if not any(run.status in (R.SWITCHED, R.LIVE) for run in wave):
            assert len(prepared) * 100 >= picture.needed * len(wave)
            for region in {run.region for run in wave}:
                here = [run for run in wave if run.region == region]
                able = [run for run in here if run.id in prepared]
                assert len(able) * 100 >= picture.needed_per_region * len(here)


def _outcomes(picture: Picture, action: plan.Action) -> dict[int, tuple[str, ...]]:
    """What may become of each host run that an action is about, after a worker has done it (or died)."""
    if isinstance(action, Skip):
        return dict.fromkeys(action.runs, (R.SKIPPED,))
    if isinstance(action, Drop):
        return dict.fromkeys(action.runs, (R.CANCELLED,))
    assert isinstance(action, Do)
    good = {"prepare": R.PREPARED, "once": R.PREPARED, "switch": R.SWITCHED, "finish": R.LIVE, "stop": R.CANCELLED}
    bad = () if action.work == "stop" else (R.FAILED, R.UNREACHABLE)
    return dict.fromkeys(action.runs, (good[action.work], *bad))


@settings(max_examples=150, deadline=None)
@given(st.data(), st.integers(1, 5), st.integers(0, 100), st.booleans(), st.integers(0, 12))
def test_every_way_comes_to_an_end(data: st.DataObject, hosts: int, needed: int, once: bool, cancel_at: int) -> None:
    """Whatever becomes of each host, a deploy ends, moves only as the table allows, and never goes back."""
    picture = Picture(
        "running",
        [Run(n, n % 2, R.PENDING, True, "", f"web-{n}") for n in range(1, hosts + 1)],
        needed=needed,
        once="open" if once else "none",
        once_runs=frozenset(range(1, hosts + 1)),
    )
    for turn in range(60):
        if turn == cancel_at:
            picture = replace(picture, status="cancelling")
        action = plan.next(picture)
        if isinstance(action, End):
            assert all(run.status in RUN_FINAL for run in picture.runs)
            return
        outcomes = _outcomes(picture, action)
        moved = []
        for run in picture.runs:
            to = data.draw(st.sampled_from(outcomes[run.id])) if run.id in outcomes else run.status
            if to != run.status and not (run.status == R.PENDING and to == R.PREPARED):  # by way of preparing
                assert to in RUN_MOVES[run.status]
            moved.append(run._replace(status=to))
        picture = replace(picture, runs=moved)
        if isinstance(action, Do) and action.work == "once":
            ran = next(run for run in moved if run.id == action.runs[0])
            picture = replace(picture, once="ok" if ran.status == R.PREPARED else "failed")
    raise AssertionError(f"no end after 60 turns: {picture}")
