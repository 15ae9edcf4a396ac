import pytest

from deployments import blockers, lifecycle, rollbacks
from deployments.drift import look
from deployments.models import Deploy, HeldRelease, LogChunk
from deployments.states import DeployStatus
from environments import setting_aside
from environments.access import NotAllowed
from environments.models import Aside, Host, Membership, Role, Target, User
from notifications.models import Event
from tests import builders

pytestmark = [pytest.mark.django_db, pytest.mark.both_databases]


@pytest.fixture
def ada() -> User:
    return builders.make_user(username="ada", first_name="Ada", last_name="Marsh")


@pytest.fixture
def target() -> Target:
    return builders.make_target(hosts=3)


def host_of(target: Target) -> Host:
    member = Membership.objects.filter(environment=target.environment).select_related("host").order_by("id").first()
    assert member
    return member.host


def test_it_says_who_and_why_and_is_taken_back(target: Target, ada: User) -> None:
    host = host_of(target)
    setting_aside.set_aside(host, how=Aside.DRAINED, why="  new\ndisk ", by=ada)
    host.refresh_from_db()
    assert (host.aside, host.aside_why, host.aside_by) == ("drained", "new disk", "Ada Marsh")
    setting_aside.take_back(host, by=ada)
    host.refresh_from_db()
    assert (host.aside, host.aside_why, host.aside_by, host.aside_at) == ("", "", "", None)
    kinds = Event.objects.filter(host=host.name).order_by("id").values_list("kind", flat=True)
    assert list(kinds) == ["host.drained", "host.taken_back"]


def test_what_changes_nothing_is_refused(target: Target, ada: User) -> None:
    host = host_of(target)
    with pytest.raises(setting_aside.NoReason):
        setting_aside.set_aside(host, how=Aside.DRAINED, why=" ", by=ada)
    with pytest.raises(setting_aside.AlreadySo):
        setting_aside.take_back(host, by=ada)
    setting_aside.set_aside(host, how=Aside.DRAINED, why="disk", by=ada)
    with pytest.raises(setting_aside.AlreadySo):
        setting_aside.set_aside(host, how=Aside.DRAINED, why="disk", by=ada)
    setting_aside.set_aside(host, how=Aside.QUARANTINED, why="worse than that", by=ada)


def test_a_viewer_may_not(target: Target) -> None:
    vera = builders.make_user(role=Role.VIEWER)
    with pytest.raises(NotAllowed):
        setting_aside.set_aside(host_of(target), how=Aside.DRAINED, why="disk", by=vera)
    with pytest.raises(NotAllowed):
        setting_aside.take_back(host_of(target), by=vera)


def start(target: Target, ada: User, *, wait: bool = False) -> Deploy:
    """A rollback, which needs no repository."""
    first, second = (builders.make_deploy(target=target, by=ada) for _ in range(2))
    for member in target.environment.memberships.all():
        placement = builders.make_placement(host=member.host, target=target, current=second.release)
        HeldRelease.objects.create(placement=placement, release_id=first.release_id or 0)
    assert rollbacks.choose(target, first)
    return lifecycle.roll_back(target, to=first, by=ada)


def test_deploys_leave_it_out_and_say_so(target: Target, ada: User) -> None:
    host = host_of(target)
    setting_aside.set_aside(host, how=Aside.DRAINED, why="new disk", by=ada)
    deploy = start(target, ada)
    assert host.name not in deploy.runs.values_list("host_name", flat=True)
    assert (deploy.runs.count(), deploy.plan["left_out"]) == (2, [host.name])
    said = " ".join(LogChunk.objects.filter(deploy=deploy).values_list("text", flat=True))
    assert f"Left out: {host.name} (drained by Ada Marsh: new disk)." in said


def test_where_every_host_is_set_aside_nothing_can_go(target: Target, ada: User) -> None:
    for member in target.environment.memberships.select_related("host"):
        setting_aside.set_aside(member.host, how=Aside.QUARANTINED, why="power", by=ada)
    (blocker,) = blockers.blockers(target)
    assert (blocker.kind, blocker.passes) == ("no-hosts", False)
    assert "set aside" in blocker.text


def test_one_that_was_set_aside_while_a_deploy_waited_is_left_out_when_it_starts(target: Target, ada: User) -> None:
    deploy = start(target, ada)
    Deploy.objects.filter(pk=deploy.pk).update(status=DeployStatus.WAITING, started_at=None)
    host = host_of(target)
    setting_aside.set_aside(host, how=Aside.DRAINED, why="disk", by=ada)
    deploy.refresh_from_db()
    assert lifecycle.start_waiting(deploy)
    deploy.refresh_from_db()
    assert (deploy.runs.count(), deploy.plan["waves"]) == (2, [{"hosts": 2}])


def test_a_deploy_whose_every_host_was_set_aside_ends_with_that_as_its_reason(target: Target, ada: User) -> None:
    deploy = start(target, ada)
    Deploy.objects.filter(pk=deploy.pk).update(status=DeployStatus.WAITING, started_at=None)
    only = host_of(target)
    deploy.runs.exclude(host=only).delete()
    setting_aside.set_aside(only, how=Aside.DRAINED, why="disk", by=ada)
    deploy.refresh_from_db()
    assert not lifecycle.start_waiting(deploy)
    deploy.refresh_from_db()
    assert (deploy.status, "set aside" in deploy.reason) == (DeployStatus.CANCELLED, True)


def test_what_it_runs_is_still_asked(target: Target, ada: User, monkeypatch: pytest.MonkeyPatch) -> None:
    setting_aside.set_aside(host_of(target), how=Aside.DRAINED, why="disk", by=ada)
    asked: list[str] = []

    def ask(host: Host, *_: object) -> dict[int, object]:
        asked.append(host.name)
        return {}

    monkeypatch.setattr("deployments.drift._ask", ask)
    look([target])
    assert len(asked) == 3
