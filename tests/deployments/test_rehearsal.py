"""A dry run tells the programs that a deploy then runs, and changes nothing."""

from pathlib import Path
from typing import Any

import pytest
from django.urls import reverse

from deployments import follow, rehearsal
from deployments.jobs import Job
from deployments.models import Deploy, HostRun, Program, Release
from deployments.runs import release_of
from environments.access import NotAllowed
from environments.models import User
from environments.repositories import RefNotFound
from environments.sealed import seal
from notifications.models import Event
from tests.deployments.api_client import api_of, check_problem
from tests.deployments.conftest import MakeFleetTarget
from tests.deployments.ended import counts, request
from tests.deployments.fleet import Driver, FleetTarget, step
from tests.deployments.shop_pages import sign_in, text_of

pytestmark = pytest.mark.both_databases
STEPS = [
    step("build", "echo build"),
    step("migrate", "echo migrate", "once"),
    step("restart", "echo restart", "restart"),
    step("only-workers", "echo worker", "after", roles=["worker"]),
]


@pytest.mark.parametrize("distribution", ["archive", "git"])
def test_it_tells_exactly_what_then_runs(
    make_fleet_target: MakeFleetTarget, driver: Driver, monkeypatch: pytest.MonkeyPatch, distribution: str
) -> None:
    place = make_fleet_target(hosts=2, distribution=distribution, steps=STEPS, roles={1: ["worker"]})
    driver.run_to_end(request(place, "v1"))
    seen = rehearsal.rehearse(place.target, "main", by=place.by)
    ran: dict[tuple[str, str], str] = {}
    real: Any = follow.carry_out

    def carry_out(job: Job, phase: str, text: Any) -> None:
        ran[job.run.host_name, phase] = text()
        real(job, phase, text)

    monkeypatch.setattr(follow, "carry_out", carry_out)
    deploy = driver.run_to_end(request(place))
    assert deploy.status == "succeeded"
    told = {(host.host, phase): text for host in seen.hosts for phase, text in host.texts if phase != "switch"}
    assert set(told) == set(ran)
    for key, text in told.items():  # only the name of the release tells the second
        assert text.replace(seen.release, "NAME") == ran[key].replace(release_of(deploy).name, "NAME"), key
    assert [(change.hosts, change.files) for change in seen.changes] == [(2, [("M", "index.html")])]
    assert seen.exact


def test_it_runs_and_stores_nothing(place: FleetTarget, viewer: User) -> None:
    before = [*counts(), HostRun.objects.count(), Program.objects.count(), Release.objects.count()]
    seen = rehearsal.rehearse(place.target, "main", by=place.by)
    assert [host.host for host in seen.hosts] == list(place.homes)
    with pytest.raises(NotAllowed):
        rehearsal.rehearse(place.target, "main", by=viewer)
    with pytest.raises(RefNotFound):
        rehearsal.rehearse(place.target, "nowhere", by=place.by)
    assert [*counts(), HostRun.objects.count(), Program.objects.count(), Release.objects.count()] == before
    assert not Event.objects.filter(kind__startswith="deploy.").exists()


def test_secrets_are_masked(make_place: MakeFleetTarget) -> None:
    place = make_place(hosts=1, distribution="git")
    application = place.target.application
    application.https_user, application.https_token = "robot", seal("s3cret-t0ken")
    application.save()
    (host,) = rehearsal.rehearse(place.target, "main", by=place.by).hosts
    assert all("s3cret-t0ken" not in text for _, text in host.texts)


def test_what_is_not_built_yet_is_said(make_place: MakeFleetTarget, tmp_path: Path) -> None:
    place = make_place(hosts=1)
    application = place.target.application
    application.build_command = f"touch {tmp_path}/built"
    application.save()
    seen = rehearsal.rehearse(place.target, "main", by=place.by)
    assert not seen.exact
    assert not (tmp_path / "built").exists()


def test_by_the_page_and_by_the_api(make_place: MakeFleetTarget, viewer: User) -> None:
    place = make_place(hosts=3, steps=STEPS)
    names = [place.target.application.name, place.target.environment.name]
    address = reverse("rehearsal", args=names)
    html = sign_in(place.by).get(address, {"ref": "main", "host": "web-02"}).content
    page = text_of(html)
    assert "3 hosts run nothing yet" in page
    assert "Programs on web-02" in page
    assert "echo build" in page
    assert sign_in(viewer).get(address).status_code == 403
    assert "no branch, tag or commit" in text_of(sign_in(place.by).get(address, {"ref": "no"}, follow=True).content)
    caller = api_of(user=place.by)
    said = caller.post(f"targets/{'/'.join(names)}/rehearsal", {"ref": "v1", "host": "web-01"}).json()
    assert (said["ref"], said["once_on"], said["exact"]) == ("v1", "web-01", True)
    assert [[it["phase"] for it in host["programs"]] for host in said["hosts"]] == [
        ["prepare", "once", "switch", "finish"]
    ]
    check_problem(caller.post(f"targets/{'/'.join(names)}/rehearsal", {"ref": "no"}), 400, "ref-not-found")
    check_problem(api_of(user=viewer).post(f"targets/{'/'.join(names)}/rehearsal", {}), 403, "not-allowed")
    assert Deploy.objects.count() == 0
