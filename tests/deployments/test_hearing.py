"""A worker that lives and hears nothing: told within a minute, and ended where a new start helps."""

import pytest
from django.db.models import Value

from deployer_site import readiness
from deployments import claims, doorbell, tasks
from deployments.hearing import RING_SECONDS, Hearing
from deployments.models import Worker
from deployments.runtime import Runtime
from notifications.models import Event

pytestmark = [pytest.mark.both_databases, pytest.mark.django_db(transaction=True)]


class Scene:
    """A worker's hearing, looked at every 10 s of a clock that the test sets; `takes`: the broker does."""

    def __init__(self, runtime: Runtime) -> None:
        self.at, self.takes, self.full, self.reads = 1000.0, True, False, True
        self.ended: list[float] = []
        self.rung: list[int] = []
        self._hearing = Hearing(runtime, full=lambda: self.full, end=lambda _: self.ended.append(self.at))

    def ring(self, task: str, args: list[int], *, to: str) -> bool:
        assert (task, to) == ("deployments.tasks.hear", "worker-1@here")
        self.rung += args if self.takes else []
        return self.takes

    def pass_time(self, seconds: float) -> None:
        for _ in range(int(seconds / RING_SECONDS)):
            self.at += RING_SECONDS
            claims.renew(Worker.objects.get())
            if self.reads:
                for worker_id in self.rung:
                    tasks.hear(worker_id)
                self.rung.clear()
            self._hearing.look()


@pytest.fixture
def scene(monkeypatch: pytest.MonkeyPatch) -> Scene:
    monkeypatch.setattr(claims, "now", lambda: 1000.0)
    made = Scene(Runtime(name="worker-1@here"))
    monkeypatch.setattr(claims, "now", lambda: made.at)
    monkeypatch.setattr(claims, "now_in_query", lambda: Value(made.at))
    monkeypatch.setattr(doorbell, "publish", made.ring)
    return made


def told() -> list[str]:
    return list(Event.objects.filter(kind__startswith="worker.").order_by("pk").values_list("kind", flat=True))


def test_who_hears_is_left_in_peace(scene: Scene) -> None:
    scene.pass_time(600)
    assert (told(), scene.ended) == ([], [])
    assert readiness.worker_state().ok


def test_who_hears_nothing_is_told_and_ends(scene: Scene) -> None:
    scene.pass_time(100)
    scene.reads = False
    scene.pass_time(60)
    assert told() == ["worker.deaf"]
    assert scene.ended == []
    state = readiness.worker_state()
    assert not state.ok
    assert "worker-1@here hears nothing from Redis" in state.text
    scene.pass_time(30)
    assert scene.ended, "within 90 s"
    assert told() == ["worker.deaf"], "once"


def test_who_hears_again_is_told_as_well(scene: Scene) -> None:
    scene.reads = False
    scene.pass_time(60)
    scene.reads = True
    scene.pass_time(120)
    assert (told(), scene.ended) == (["worker.deaf", "worker.hears"], [])
    assert readiness.worker_state().ok


def test_while_the_broker_is_away_nobody_ends(scene: Scene) -> None:
    """A new start would not help; and when it is back, whoever listened gets the time to hear."""
    scene.pass_time(100)
    scene.takes = False
    scene.pass_time(600)
    assert (told(), scene.ended) == (["worker.deaf"], [])
    scene.takes, scene.reads = True, False
    scene.pass_time(60)
    scene.reads = True
    scene.pass_time(120)
    assert (told(), scene.ended) == (["worker.deaf", "worker.hears"], [])


def test_who_has_its_hands_full_is_not_deaf(scene: Scene) -> None:
    scene.reads, scene.full = False, True
    scene.pass_time(600)
    assert (told(), scene.ended) == ([], [])
    assert readiness.worker_state().ok


def test_a_worker_of_the_version_before_is_not_taken_for_deaf(scene: Scene) -> None:
    Worker.objects.update(heard_at=0)
    assert readiness.worker_state().ok
