"""What locks do to deploys: every verb asks, automatic ones are held, and whoever unlocks chooses."""

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from django.utils import timezone
from pytest_django import Settings

from deployments import lifecycle
from deployments.blockers import Blocked
from deployments.lifecycle import Passing
from deployments.models import Deploy, HeldRelease, HostRun, Placement
from deployments.runs import release_of
from environments import locks
from environments.access import NotAllowed
from environments.models import Lock, LockKind, Target, User
from notifications.models import Event
from tests import builders

pytestmark = [pytest.mark.django_db, pytest.mark.both_databases]


@pytest.fixture
def target(tmp_path: Path, settings: Settings) -> Target:
    settings.REPOSITORY_ROOTS = [tmp_path]
    settings.VAR = tmp_path / "var"
    builders.make_repository(tmp_path / "shop")
    shop = builders.make_application(name="shop", repository=tmp_path / "shop")
    return builders.make_target(application=shop, environment=builders.make_environment(name="staging"), hosts=1)


@pytest.fixture
def ada() -> User:
    return builders.make_user(username="ada", first_name="Ada", last_name="Marsh")


@pytest.fixture
def ben() -> User:
    return builders.make_user(username="ben", first_name="Ben", last_name="Sato")


@pytest.fixture
def robot() -> User:
    return builders.make_user(username="robot")


def request(target: Target, by: User | None, **more: object) -> Deploy:
    return lifecycle.request_deploy(target=target, ref="main", by=by, **more)  # type: ignore[arg-type]


def fresh(deploy: Deploy) -> Deploy:
    related = ("target__application", "target__environment", "by", "let_go_by", "met_lock")
    return Deploy.objects.select_related(*related).get(pk=deploy.pk)


def finish(deploy: Deploy, status: str = "succeeded") -> None:
    HostRun.objects.filter(deploy=deploy).update(status="live" if status == "succeeded" else "failed")
    lifecycle.end(deploy, status, "Over.")


def start(target: Target) -> Deploy | None:
    """As a worker does: the next in line, if it can."""
    first = lifecycle.next_waiting(target)
    return first if first is not None and lifecycle.start_waiting(first) else None


@pytest.mark.parametrize("place", ["*", "staging", "shop/staging"])
def test_every_verb_asks(place: str, target: Target, ada: User, ben: User) -> None:
    failed = request(target, ben)
    finish(failed, "failed")
    resting = request(target, ben, hold=True)
    Deploy.objects.filter(pk=resting.pk).update(prepared_at=timezone.now())
    locks.acquire(locks.find(place, viewer=None), by=ada, reason="demo", until=timezone.now() + timedelta(hours=1))
    task = target.tasks.create(name="warm", command="true")
    verbs: list[Callable[[], object]] = [
        lambda: request(target, ben),
        lambda: lifecycle.retry(failed, by=ben),
        lambda: lifecycle.run_task(task, by=ben),
        lambda: lifecycle.flip(resting, by=ben),
    ]
    for verb in verbs:
        with pytest.raises(Blocked, match="locked by Ada Marsh"):
            verb()
    lifecycle.flip_by_itself(resting)
    assert fresh(resting).held
    assert lifecycle.end(fresh(resting), "cancelled", "Over.")
    assert request(target, ada).status == "running"


def test_a_machine_is_stopped_though_it_has_the_holders_token(target: Target, ada: User) -> None:
    builders.make_lock(target=target, by=ada)
    failed = builders.make_deploy(target=target, status="failed")
    builders.make_run(deploy=failed, host=target.environment.memberships.get().host, status="failed")
    with pytest.raises(Blocked):
        lifecycle.retry(failed, by=ada, automatic=True)
    assert request(target, ada, automatic=True).met_lock is not None


def test_what_a_person_waits_for_starts_when_the_lock_ends_and_lets_the_holder_pass(
    target: Target, ada: User, ben: User
) -> None:
    lock = builders.make_lock(target=target, by=ada)
    waits = request(target, ben, wait=True)
    assert (waits.status, start(target)) == ("waiting", None)
    own = request(target, ada)
    assert own.status == "running"
    finish(own)
    assert start(target) is None
    lifecycle.unlock(lock, by=ada)
    assert start(target) == waits


def test_it_does_not_start_for_one_who_may_no_longer(target: Target, ada: User, ben: User) -> None:
    lock = builders.make_lock(target=target, by=ada)
    waits = request(target, ben, wait=True)
    lifecycle.unlock(lock, by=ada)
    User.objects.filter(pk=ben.pk).update(role="viewer")
    builders.make_user()
    target.environment.protected = True
    target.environment.save()
    assert start(target) is None
    assert fresh(waits).status == "failed"


def test_only_the_newest_automatic_deploy_is_held(target: Target, ada: User, robot: User) -> None:
    lock = builders.make_lock(target=target, by=ada)
    older, newer = (request(target, robot, automatic=True) for _ in range(2))
    assert (fresh(newer).status, fresh(newer).met_lock) == ("waiting", lock)
    assert fresh(older).status == "cancelled"
    assert "Replaced by #2" in fresh(older).reason
    assert start(target) is None
    events = Event.objects.filter(kind="deploy.met_lock").order_by("pk")
    assert [event.deploy for event in events] == [older.pk, newer.pk]


def test_what_is_held_still_does_not_take_a_newer_one_back(target: Target, ada: User, robot: User) -> None:
    lock = builders.make_lock(target=target, by=ada)
    held = request(target, robot, automatic=True)
    lifecycle.unlock(lock, by=ada, held="leave")
    by_hand = request(target, ada)
    finish(by_hand)
    assert fresh(held).status == "waiting"  # a person may have tried something else
    newer = request(target, robot, automatic=True)
    assert newer.status == "running"
    assert fresh(held).reason == f"Replaced by #{newer.number}, which is newer and has begun."
    with pytest.raises(lifecycle.NotHeld):
        lifecycle.let_go(held, by=ada)


def test_the_same_when_the_newer_one_had_to_wait_first(target: Target, ada: User, robot: User) -> None:
    lock = builders.make_lock(target=target, by=ada)
    held = request(target, robot, automatic=True)
    lifecycle.unlock(lock, by=ada, held="leave")
    before = request(target, ada)
    newer = request(target, robot, automatic=True, wait=True)
    assert (fresh(held).status, newer.status) == ("waiting", "waiting")
    finish(before)
    assert start(target) == newer
    assert fresh(held).status == "cancelled"


@pytest.mark.parametrize(("held", "status"), [("deploy", "waiting"), ("drop", "cancelled"), ("leave", "waiting")])
def test_whoever_unlocks_chooses(held: str, status: str, target: Target, ada: User, robot: User) -> None:
    lock = builders.make_lock(target=target, by=ada)
    deploy = request(target, robot, automatic=True)
    lifecycle.unlock(lock, by=ada, held=held)
    assert fresh(deploy).status == status
    assert start(target) == (deploy if held == "deploy" else None)


def test_after_its_lock_has_expired_it_stays_held_and_says_so(target: Target, ada: User, ben: User) -> None:
    lock = builders.make_lock(target=target, by=ada)
    deploy = request(target, ben, automatic=True)
    Lock.objects.filter(pk=lock.pk).update(until=timezone.now() - timedelta(seconds=1))
    lifecycle.look_after_locks()
    lifecycle.look_after_locks()
    assert start(target) is None
    assert Event.objects.filter(kind="deploy.stays_held", deploy=deploy.pk).count() == 1
    assert Event.objects.filter(kind="lock.expired").count() == 1
    lifecycle.let_go(fresh(deploy), by=ben)
    assert start(target) == deploy
    with pytest.raises(lifecycle.NotHeld):
        lifecycle.drop(fresh(deploy), by=ben)


def test_a_deploy_that_meets_a_second_lock_is_that_ones_to_decide(
    target: Target, ada: User, ben: User, robot: User
) -> None:
    own = builders.make_lock(target=target, by=ada)
    deploy = request(target, robot, automatic=True)
    wide = builders.make_lock(target=target, by=ben, scope="staging")
    with pytest.raises(Blocked, match="Ben Sato"):
        lifecycle.let_go(fresh(deploy), by=ada)
    lifecycle.unlock(own, by=ada, held="deploy")
    assert fresh(deploy).met_lock == wide
    lifecycle.unlock(wide, by=ben, held="deploy")
    assert start(target) == deploy


def test_an_automatic_one_that_waits_for_its_turn_is_held_when_a_lock_comes(
    target: Target, ada: User, robot: User
) -> None:
    running = request(target, ada)
    waits = request(target, robot, automatic=True, wait=True)
    lock = builders.make_lock(target=target, by=ada)
    finish(running)
    assert start(target) is None
    assert fresh(waits).met_lock == lock


@pytest.mark.parametrize("protected", [True, False])
@pytest.mark.parametrize("automatic", [True, False])
def test_a_failed_automatic_deploy_closes_a_protected_target_to_machines(
    protected: bool, automatic: bool, target: Target, robot: User
) -> None:
    target.environment.protected = protected
    target.environment.save()
    admin = builders.make_user(role="administrator")
    finish(request(target, admin, automatic=automatic), "failed")
    closed = Lock.objects.filter(machines_only=True).first()
    assert (closed is not None) == (protected and automatic)
    if closed:
        assert "#1" in closed.reason
        assert request(target, admin, automatic=True).met_lock == closed
        assert request(target, admin).status == "running"


class TestPassing:
    def test_a_warning_asks_and_a_confirmation_passes_it(self, target: Target, ada: User, ben: User) -> None:
        builders.make_lock(target=target, by=ada, kind=LockKind.WARNING)
        with pytest.raises(Blocked, match="asks for care"):
            request(target, ben)
        assert request(target, ben, said=Passing(confirmed=True)).status == "running"

    def test_a_confirmation_passes_no_lock(self, target: Target, ada: User, ben: User) -> None:
        builders.make_lock(target=target, by=ada)
        with pytest.raises(Blocked):
            request(target, ben, said=Passing(confirmed=True, over="please"))

    def test_an_emergency_needs_the_permission_and_everybody_hears(self, target: Target, ada: User, ben: User) -> None:
        builders.make_lock(target=target, by=ada)
        with pytest.raises(NotAllowed):
            request(target, ben, said=Passing(override="all is down"))
        root = builders.make_user(username="root", role="administrator")
        deploy = request(target, root, said=Passing(override="all is down"))
        assert deploy.status == "running"
        event = Event.objects.get(kind="lock.overridden")
        assert (event.actor, event.facts["why"], event.facts["to"]) == ("root", "all is down", "ada")
        assert Lock.objects.get().released_at is None

    def test_a_machine_overrides_nothing(self, target: Target, ada: User) -> None:
        builders.make_lock(target=target, by=ada)
        root = builders.make_user(role="administrator")
        assert request(target, root, automatic=True, said=Passing(override="all is down")).status == "waiting"

    def test_a_rollback_goes_over_a_lock_with_a_reason_that_its_holder_hears(
        self, target: Target, ada: User, ben: User
    ) -> None:
        for _ in range(2):
            deploy = request(target, ada)
            for run in deploy.runs.all():
                put, _ = Placement.objects.update_or_create(
                    host=run.host, target=target, defaults={"current": deploy.release}
                )
                HeldRelease.objects.create(placement=put, release=release_of(deploy))
            finish(deploy)
        builders.make_lock(target=target, by=ada)
        with pytest.raises(Blocked, match="Ada Marsh"):
            lifecycle.roll_back(target, by=ben)
        back = lifecycle.roll_back(target, by=ben, said=Passing(over="the basket is empty"))
        assert back.status == "running"
        event = Event.objects.get(kind="lock.rolled_back_over")
        assert (event.facts["to"], event.facts["why"]) == ("ada", "the basket is empty")
