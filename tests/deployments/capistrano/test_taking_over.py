"""Capistrano's folders on hosts become a target's history."""

import pytest
from django.core.management import CommandError, call_command
from django.test import Client
from django.urls import reverse

from deployments import drift, lifecycle, log
from deployments.capistrano.refusals import HasHistory, HostsSilent
from deployments.capistrano.taking_over import take_over
from deployments.models import Deploy, HeldRelease, HostRun, Kind, Placement, Release, Standing
from environments.access import NotAllowed
from environments.models import HostKey, User
from notifications.models import Event
from tests.deployments.conftest import MakeFleetTarget
from tests.deployments.fleet import Driver, FleetTarget
from tests.deployments.host_program.capistrano_root import REVISIONS, make_root, state_of

NAMES = list(REVISIONS)
ONE, TWO, THREE = NAMES


@pytest.fixture
def place(make_fleet_target: MakeFleetTarget) -> FleetTarget:
    """Two hosts that Capistrano deployed to; the second lacks the oldest release."""
    made = make_fleet_target(hosts=2, keep=2)
    first, second = made.roots()
    make_root(first)
    make_root(second, {name: REVISIONS[name] for name in NAMES[1:]})
    for root in (first, second):
        log_file = root / "revisions.log"
        log_file.write_text(f"{log_file.read_text()}bob rolled back to release {TWO}\n")
        (root / "current").unlink()
        (root / "current").symlink_to(root / "releases" / TWO)
    return made


def states(place: FleetTarget) -> list[dict[str, tuple[float, str]]]:
    return [state_of(root) for root in place.roots()]


@pytest.mark.both_databases
def test_what_capistrano_did_becomes_history(place: FleetTarget) -> None:
    before = states(place)
    taken = take_over(place.target, by=None, actor="someone (command line)")
    assert states(place) == before, "hosts are only read"
    assert (taken.deploys, taken.releases, set(taken.current.values()), taken.notes) == (4, 3, {TWO}, [])
    rows = Deploy.objects.filter(target=place.target).order_by("number")
    assert list(rows.values_list("number", "kind", "status", "by_name", "ref", "release__name", "of__number")) == [
        (1, "deploy", "succeeded", "ada", "main", ONE, None),
        (2, "deploy", "succeeded", "ada", "main", TWO, None),
        (3, "deploy", "succeeded", "ada", "main", THREE, None),
        (4, "rollback", "succeeded", "bob", "main", TWO, 2),
    ]
    assert f"{rows[1].requested_at:%Y%m%d%H%M%S}" == TWO
    assert [run.host_name for run in rows[0].runs.all()] == list(place.homes)[:1]
    assert Release.objects.filter(target=place.target, imported=True).count() == 3
    assert {row.current.name for row in Placement.objects.filter(target=place.target) if row.current} == {TWO}
    assert HeldRelease.objects.filter(placement__target=place.target).count() == 5
    standing = Standing.objects.get(target=place.target)
    assert standing.latest is not None
    assert standing.live is not None
    assert (standing.latest.number, standing.live.number) == (4, 4)
    place.target.refresh_from_db()
    assert place.target.last_number == 4
    assert Event.objects.get(kind="target.taken_over").facts["deploys"] == 4


def test_the_log_says_where_it_comes_from(place: FleetTarget) -> None:
    take_over(place.target, by=None, actor="")
    deploy = Deploy.objects.get(target=place.target, number=1)
    said = [line.text for line in log.read_all(deploy.pk)]
    assert said[0] == "Imported from Capistrano's revisions.log."
    assert said[1] == f"It says: Branch main (at {'1' * 40}) deployed as release {ONE} by ada"
    assert log.digest(deploy.pk) == (deploy.lines, deploy.log_sha256)


def test_a_dry_run_writes_nothing(place: FleetTarget) -> None:
    assert take_over(place.target, by=None, actor="", dry_run=True).deploys == 4
    assert (Deploy.objects.count(), Release.objects.count(), Event.objects.count()) == (0, 0, 0)


def test_a_rollback_to_a_release_of_capistrano_only_switches(place: FleetTarget, driver: Driver) -> None:
    take_over(place.target, by=None, actor="")
    mine = driver.run_to_end(lifecycle.request_deploy(target=place.target, ref="main", by=place.by))
    assert (mine.status, mine.number) == ("succeeded", 5)
    before = [state_of(root / "releases" / TWO) for root in place.roots()]
    back = driver.run_to_end(lifecycle.roll_back(place.target, by=place.by))
    goal = Deploy.objects.get(target=place.target, number=4)  # not 3, which Capistrano went back from
    assert (back.status, back.of, set(place.current().values())) == ("succeeded", goal, {TWO})
    assert {work for work, _ in driver.batches[-2:]} == {"switch", "finish"}
    assert [state_of(root / "releases" / TWO) for root in place.roots()] == before


def test_our_deploys_clean_up_nothing_of_capistrano(place: FleetTarget, driver: Driver) -> None:
    take_over(place.target, by=None, actor="")
    for _ in range(4):
        deploy = driver.run_to_end(lifecycle.request_deploy(target=place.target, ref="main", by=place.by))
        assert deploy.status == "succeeded"
    first = {path.name for path in (place.roots()[0] / "releases").iterdir()}
    assert set(NAMES) < first
    assert len(first - set(NAMES)) == 2
    assert HeldRelease.objects.filter(placement__target=place.target, release__imported=True).count() == 5


def test_a_release_that_capistrano_removed_is_history_only(place: FleetTarget) -> None:
    for root in place.roots():
        (root / "releases" / THREE).rename(root / "elsewhere")
    take_over(place.target, by=None, actor="")
    deploy = Deploy.objects.get(target=place.target, number=3)
    assert (deploy.release, deploy.revision) == (None, REVISIONS[THREE])


def test_only_before_the_first_deploy(place: FleetTarget) -> None:
    take_over(place.target, by=None, actor="")
    with pytest.raises(HasHistory, match="has deploys already"):
        take_over(place.target, by=None, actor="")
    assert Deploy.objects.count() == 4


def test_a_folder_of_ours_is_not_taken_over(place: FleetTarget) -> None:
    state = place.roots()[1] / ".deployer"
    state.mkdir()
    (state / "target").write_text("other/production\n")
    with pytest.raises(HasHistory, match="belongs to other/production"):
        take_over(place.target, by=None, actor="")


def test_every_host_must_tell_unless_it_is_left_out(place: FleetTarget) -> None:
    silent = list(place.homes)[1]
    HostKey.objects.filter(host__name=silent).delete()
    with pytest.raises(HostsSilent, match=f"hostkey scan {silent}"):
        take_over(place.target, by=None, actor="")
    assert Deploy.objects.count() == 0
    assert take_over(place.target, by=None, actor="", without=[silent]).deploys == 4
    assert Placement.objects.filter(target=place.target).count() == 1


def test_what_cannot_be_gone_back_to_is_said(place: FleetTarget) -> None:
    first, second = place.roots()
    (first / "releases" / THREE / "REVISION").write_text("4" * 40)
    for root in (first, second):
        (root / "releases" / TWO / "REVISION").unlink()
        (root / "revisions.log").write_text("hello\n")
    (first / "releases" / ONE / "REVISION").write_text("1111111\n")
    notes = take_over(place.target, by=None, actor="").notes
    assert any(
        note.startswith(f"{ONE} cannot be gone back to: its revision is shortened to 1111111.") for note in notes
    )
    assert f"{TWO} cannot be gone back to: nothing tells its revision." in notes
    assert f"{THREE} cannot be gone back to: it holds another revision on some hosts." in notes
    assert any(note.startswith("2 lines of revisions.log say nothing that we know") for note in notes)
    assert not Release.objects.filter(target=place.target).exists()
    assert not HostRun.objects.filter(revision="").exclude(deploy__release=None).exists()


def test_a_short_revision_is_completed_by_the_repository(place: FleetTarget) -> None:
    full = place.repository.git("rev-parse", "v1^{commit}")
    for root in place.roots():
        (root / "revisions.log").write_text("")
        for name in NAMES:
            if (root / "releases" / name).exists():
                (root / "releases" / name / "REVISION").write_text(f"{full[:7]}\n")
    take_over(place.target, by=None, actor="")
    assert set(Release.objects.filter(target=place.target).values_list("revision", flat=True)) == {full}
    assert Deploy.objects.filter(target=place.target, kind=Kind.DEPLOY, by_name="unknown").count() == 3


def test_an_administrator_takes_over(place: FleetTarget, viewer: User) -> None:
    for user in (viewer, place.by):
        with pytest.raises(NotAllowed):
            take_over(place.target, by=user, actor=user.username)


def test_the_command_names_targets_that_are_there(place: FleetTarget) -> None:
    with pytest.raises(CommandError, match=rf"There is no target 'x/y'. There are: {place.target.slug}\."):
        call_command("import-capistrano", "--history", "x/y")


def test_what_was_taken_over_is_no_drift(place: FleetTarget) -> None:
    take_over(place.target, by=None, actor="")
    first = place.roots()[0]
    assert drift.look_at(place.target) == 2
    assert set(Placement.objects.values_list("drift", "seen")) == {("", TWO)}
    (first / "current").unlink()
    (first / "current").symlink_to(first / "releases" / THREE)  # `cap deploy` went on meanwhile
    drift.look_at(place.target)
    assert sorted(Placement.objects.values_list("drift", "seen")) == [("", TWO), ("outside", THREE)]


def test_pages_and_api_show_it(place: FleetTarget, client: Client) -> None:
    (place.roots()[0] / "releases" / ONE / "REVISION").unlink()
    (place.roots()[0] / "revisions.log").write_text(f"Branch main deployed as release {ONE} by ada\n")
    take_over(place.target, by=None, actor="")
    client.force_login(place.by)
    for deploy in Deploy.objects.filter(target=place.target):
        shown = client.get(reverse("deploy", args=[deploy.pk]))
        assert (shown.status_code, f"#{deploy.number}" in shown.content.decode()) == (200, True)
        answer = client.get(f"/api/v1/deploys/{deploy.pk}")
        assert (answer.status_code, answer.json()["number"]) == (200, deploy.number)
    page = client.get(reverse("target", args=[place.target.application.name, place.target.environment.name]))
    text = page.content.decode()
    assert "on all 2 hosts" in text
    assert "Redeploy 3333333 of #3" in text, "Capistrano went back from it: nobody gets it by a click on a way back"
