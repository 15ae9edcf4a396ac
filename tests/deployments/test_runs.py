"""The moves of host runs: what the table does not allow, and what another holds, is not written."""

from collections.abc import Callable
from copy import copy

import pytest

from deployments import attempts, claims, log, runs
from deployments.endings import told
from deployments.failures import Fenced
from deployments.models import Deploy, HeldRelease, HostRun, Placement
from deployments.moves import Move
from deployments.runs import release_of
from deployments.states import RUN_FINAL, RUN_MOVES, RunStatus
from deployments.wishes import Wish, write
from notifications.models import Event
from tests.deployments.conftest import MakeFleetTarget
from tests.deployments.ended import request
from tests.undone import undone

pytestmark = pytest.mark.both_databases

ALLOWED = [(state, RunStatus(goal)) for state, goals in RUN_MOVES.items() for goal in goals]
FORBIDDEN = [(state, goal) for state in RunStatus for goal in RunStatus if goal not in RUN_MOVES.get(state, ())]


@pytest.fixture
def deploy(make_place: MakeFleetTarget) -> Deploy:
    return request(make_place(hosts=2))


@pytest.fixture
def run(deploy: Deploy) -> HostRun:
    first = deploy.runs.all()[0]
    return claims.take(claims.register(), deploy, [first.pk])[0]


def set_status(run: HostRun, status: str) -> None:
    HostRun.objects.filter(pk=run.pk).update(status=status)


def test_a_move_of_the_table_is_written(run: HostRun) -> None:
    seen = []
    for state, goal in ALLOWED:
        with undone():
            set_status(run, state)
            runs.move(copy(run), goal, step="here")
            row = HostRun.objects.get(pk=run.pk)
            seen.append((state, row.status, row.step, row.finished_at is not None))
    assert seen == [(state, goal, "here", goal in RUN_FINAL) for state, goal in ALLOWED]


def test_every_other_move_is_refused(run: HostRun) -> None:
    events, seen = Event.objects.count(), []
    for state, goal in FORBIDDEN:
        with undone():
            set_status(run, state)
            try:
                runs.move(copy(run), goal, error="no")
            except claims.ClaimLost:
                row = HostRun.objects.get(pk=run.pk)
                seen.append((state, goal, row.status, row.error, Event.objects.count()))
    assert seen == [(state, goal, state, "", events) for state, goal in FORBIDDEN]


def test_what_is_over_has_no_moves() -> None:
    assert not set(RUN_FINAL) & set(RUN_MOVES)
    assert set(RUN_FINAL) | set(RUN_MOVES) == set(RunStatus)


def test_one_whose_claim_was_taken_writes_nothing(run: HostRun) -> None:
    HostRun.objects.filter(pk=run.pk).update(fence=run.fence + 1)
    acts: list[Callable[[], None]] = [
        lambda: runs.move(run, RunStatus.PREPARING),
        lambda: runs.move(run, RunStatus.FAILED, error="stale"),
        lambda: runs.prepared(run),
        lambda: runs.switched(run, "x"),
    ]
    for act in acts:
        with pytest.raises(claims.ClaimLost):
            act()
    runs.note_all([runs.Note(run, "stale")])
    row = HostRun.objects.get(pk=run.pk)
    assert (row.status, row.step, row.error) == ("pending", "", "")
    assert (Placement.objects.count(), HeldRelease.objects.count()) == (0, 0)
    assert not Event.objects.filter(kind__startswith="host_run.").exists()


def test_a_failure_is_told_in_the_log_and_as_an_event(run: HostRun, deploy: Deploy) -> None:
    runs.move(run, RunStatus.FAILED, error_kind="step", error="It broke.", step="build")
    assert [(line.host, line.text) for line in log.read_all(deploy.pk)][1:] == [(run.host_name, "It broke.")]
    event = Event.objects.get(kind="host_run.failed")
    assert event.facts == {"host": run.host_name, "step": "build", "error_kind": "step", "error": "It broke."}


def test_prepared_and_switched_say_what_lies_on_the_host(run: HostRun, deploy: Deploy) -> None:
    runs.move(run, RunStatus.PREPARING)
    runs.prepared(run)
    place = Placement.objects.get()
    assert (place.current, HeldRelease.objects.get().release) == (None, deploy.release)
    runs.switched(run, "20260101000000-abcdef0")
    place.refresh_from_db()
    assert (place.current, run.revision, run.previous) == (
        deploy.release,
        deploy.revision,
        "20260101000000-abcdef0",
    )
    runs.forget_releases([runs.Removed(run, release_of(deploy).name)])
    assert not HeldRelease.objects.exists()


def test_what_is_skipped_is_free_and_may_be_skipped(run: HostRun, deploy: Deploy) -> None:
    pks = tuple(deploy.runs.values_list("pk", flat=True))
    runs.skip(deploy, pks, "The gate is closed.")
    assert list(deploy.runs.values_list("status", flat=True)) == ["pending", "skipped"], "one is being worked on"
    runs.skip(deploy, pks, "The gate is closed.")
    assert [line.text for line in log.read_all(deploy.pk)].count("The gate is closed.") == 1


def test_what_is_dropped_gets_a_fence_that_its_worker_does_not_have(run: HostRun, deploy: Deploy) -> None:
    runs.drop(deploy, (run.pk,), "It did not answer.", begun=True)
    row = HostRun.objects.get(pk=run.pk)
    deploy.target.refresh_from_db()
    assert (row.status, row.error, row.claimed_by) == ("cancelled", "It did not answer.", None)
    assert row.fence == deploy.target.fence > run.fence


def test_what_a_worker_has_taken_since_is_not_told_as_never_begun(run: HostRun, deploy: Deploy) -> None:
    pks = tuple(deploy.runs.order_by("pk").values_list("pk", flat=True))
    runs.drop(deploy, pks, "It had not begun.", begun=False)
    assert list(deploy.runs.order_by("pk").values_list("status", flat=True)) == ["pending", "cancelled"]
    runs.move(run, RunStatus.PREPARING)
    claims.let_go([run])
    runs.drop(deploy, pks, "It had not begun.", begun=False)
    assert HostRun.objects.get(pk=run.pk).status == "preparing", "it is begun, and may be asked"


def test_no_word_is_noted_for_a_claim_that_is_lost(run: HostRun) -> None:
    assert runs.begin_switch([(run, "before")])
    row = HostRun.objects.get(pk=run.pk)
    assert (row.step, row.previous) == ("switching", "before")
    HostRun.objects.filter(pk=run.pk).update(fence=run.fence + 1)
    assert not runs.begin_switch([(run, "after")])
    assert HostRun.objects.get(pk=run.pk).previous == "before"


def refuse(run: HostRun, seen: int) -> None:
    """The host has seen this fence."""
    with told(run):
        raise Fenced(seen)


def test_a_stale_worker_that_a_host_refuses_ends_nothing(run: HostRun, deploy: Deploy) -> None:
    """A newer claim of ours has begun there; one that nobody here has given is told."""
    refuse(run, run.fence)
    assert HostRun.objects.get(pk=run.pk).status == "pending"
    refuse(run, run.fence + 5)
    row = HostRun.objects.get(pk=run.pk)
    assert (row.status, row.error_kind) == ("unknown", "fence")


def test_of_a_program_whose_claim_is_lost_nothing_is_written(run: HostRun, deploy: Deploy) -> None:
    runs.move(run, RunStatus.PREPARING)
    program = attempts.newest(run, "prepare")
    HostRun.objects.filter(pk=run.pk).update(fence=run.fence + 1)
    wish = Wish(run, result=(program, "ok"), move=Move(run, RunStatus.PREPARED))
    write(deploy.pk, [wish], {})
    program.refresh_from_db()
    assert isinstance(wish.error, claims.ClaimLost)
    assert (program.result, HostRun.objects.get(pk=run.pk).status) == ("", "preparing")
