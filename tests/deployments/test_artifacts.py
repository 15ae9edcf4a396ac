"""Builds made elsewhere: fetched once, checked, and named as the blocker while they are not there."""

import re
from collections.abc import Iterator
from datetime import timedelta
from html import unescape
from pathlib import Path

import pytest
import zstandard
from django.urls import reverse
from django.utils import timezone
from pytest_django import Settings

from deployments import blockers, build_presence, engine, lifecycle, rehearsal
from deployments.archives import ArchiveFailed, ensure_archive
from deployments.artifacts import ArtifactNotAnswered, ArtifactRefused, NotBuiltYet
from deployments.blockers import Blocked
from deployments.models import Deploy
from environments.models import Application, User
from environments.sealed import seal
from tests.deployments.api_client import api_of, check_problem
from tests.deployments.builds_server import BuildsServer, builds_server, packed
from tests.deployments.conftest import MakeFleetTarget
from tests.deployments.ended import request
from tests.deployments.fleet import Driver, FleetTarget
from tests.deployments.shop_pages import sign_in, text_of
from tests.deployments.test_archives import contents
from tests.repository import Repository

SHA = "0123456789abcdef0123456789abcdef01234567"
FILES = {"index.html": "<h1>built</h1>\n", "bin/run": "#!/bin/sh\n"}


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[BuildsServer]:
    """On a busy machine it may take its time; tests of slow ones say how long they wait."""
    monkeypatch.setattr(build_presence, "PAGE_SECONDS", 30.0)
    with builds_server() as known:
        yield known


@pytest.fixture
def application(server: BuildsServer, settings: Settings, tmp_path: Path, db: None) -> Application:
    settings.VAR = tmp_path
    return Application.objects.create(
        name="shop",
        repository="https://code.example/shop.git",
        distribution="artifact",
        artifact_url=f"{server.url}/shop-{{sha}}.tar.gz",
    )


def test_a_build_is_fetched_once_and_checked(application: Application, server: BuildsServer) -> None:
    server.put(f"/shop-{SHA}.tar.gz", packed(FILES))
    made = ensure_archive(application, SHA)
    assert contents(made.path_of("archive", "gz")) == FILES
    assert made.source.total == sum(map(len, FILES.values()))
    ensure_archive(application, SHA)
    assert [path for path, _ in server.asked] == [f"/shop-{SHA}.tar.gz.sha256", f"/shop-{SHA}.tar.gz"]


@pytest.mark.parametrize("suffix", [".tar", ".tgz", ".tar.zst"])
def test_other_packings_are_taken(application: Application, server: BuildsServer, suffix: str) -> None:
    data = packed(FILES, "w") if suffix != ".tgz" else packed(FILES)
    server.put(f"/x/{SHA}{suffix}", zstandard.compress(data) if suffix == ".tar.zst" else data)
    application.artifact_url = f"{server.url}/x/{{sha}}{suffix}"
    assert contents(ensure_archive(application, SHA).path_of("archive", "gz")) == FILES


def test_a_build_without_checksum_is_not_there_yet(application: Application, server: BuildsServer) -> None:
    server.files[f"/shop-{SHA}.tar.gz"] = packed(FILES)
    with pytest.raises(NotBuiltYet, match=r"There is no build of 0123456 yet: http://127.* is not there\. Wait"):
        build_presence.look(application, SHA)
    with pytest.raises(ArchiveFailed, match="There is no build of 0123456 yet"):
        ensure_archive(application, SHA)


@pytest.mark.parametrize("text", [b"", b"<html>", b"abc  shop.tar.gz\n", b"0" * 63 + b"  x", b"0" * 65])
def test_a_checksum_that_is_none_is_refused(application: Application, server: BuildsServer, text: bytes) -> None:
    server.put(f"/shop-{SHA}.tar.gz", packed(FILES))
    server.files[f"/shop-{SHA}.tar.gz.sha256"] = text
    with pytest.raises(ArchiveFailed, match="holds no SHA-256"):
        ensure_archive(application, SHA)


def test_another_content_than_its_checksum_says_is_refused(
    application: Application, server: BuildsServer, tmp_path: Path
) -> None:
    server.put(f"/shop-{SHA}.tar.gz", packed(FILES))
    server.files[f"/shop-{SHA}.tar.gz"] = packed({"index.html": "evil"})
    with pytest.raises(ArchiveFailed, match="but its checksum file says"):
        ensure_archive(application, SHA)
    assert not [path for path in tmp_path.rglob("*") if path.is_file() and path.suffix != ".lock"]


def test_one_that_is_too_large_is_refused(
    application: Application, server: BuildsServer, settings: Settings, tmp_path: Path
) -> None:
    settings.ARTIFACT_MOST_MB = 1
    server.put(f"/shop-{SHA}.tar.gz", b"x" * ((1 << 20) + 1))
    with pytest.raises(ArchiveFailed, match="is larger than ARTIFACT_MOST_MB=1 allows"):
        ensure_archive(application, SHA)
    server.put(f"/shop-{SHA}.tar.gz", packed({"zeros": "0" * (5 << 20)}))
    with pytest.raises(ArchiveFailed, match="Unpacked it has more than"):
        ensure_archive(application, SHA)


def test_a_build_that_leads_outside_is_refused(application: Application, server: BuildsServer) -> None:
    server.put(f"/shop-{SHA}.tar.gz", packed({"../evil": "x"}))
    with pytest.raises(ArchiveFailed, match="would lie outside of the release"):
        ensure_archive(application, SHA)


def test_credentials_go_to_the_named_server_only(application: Application, server: BuildsServer) -> None:
    data = packed(FILES)
    with builds_server() as other:
        other.put("/elsewhere.tar.gz", data)
        server.put(f"/shop-{SHA}.tar.gz", data)
        server.files[f"/shop-{SHA}.tar.gz"] = f"-> {other.url}/elsewhere.tar.gz"
        application.artifact_user, application.artifact_token = "ci", seal("s3cret-token")
        assert contents(ensure_archive(application, SHA).path_of("archive", "gz")) == FILES
        assert {login for _, login in server.asked} == {"Basic Y2k6czNjcmV0LXRva2Vu"}
        assert other.asked == [("/elsewhere.tar.gz", "")]


def test_a_token_alone_is_a_bearer_token(application: Application, server: BuildsServer) -> None:
    server.put(f"/shop-{SHA}.tar.gz", packed(FILES))
    application.artifact_token = seal("s3cret-token")
    build_presence.look(application, SHA)
    assert server.asked == [(f"/shop-{SHA}.tar.gz{end}", "Bearer s3cret-token") for end in (".sha256", "")]


@pytest.mark.parametrize(
    ("answer", "text"),
    [
        (401, "the credentials of shop do not open it"),
        (403, "the credentials of shop do not open it"),
        (500, "answers 500; the Deployer needs 200"),
        ("-> file:///etc/passwd", "less safe; it is not followed"),
        ("-> /loop", "redirects more than 3 times"),
    ],
)
def test_other_answers_are_told(application: Application, server: BuildsServer, answer: str | int, text: str) -> None:
    server.files |= {f"/shop-{SHA}.tar.gz.sha256": answer, "/loop": "-> /loop"}
    with pytest.raises(ArtifactRefused, match=text):
        build_presence.look(application, SHA)


def test_a_server_that_is_away_is_told(application: Application) -> None:
    application.artifact_url = "http://127.0.0.1:1/{sha}.tar.gz"
    with pytest.raises(ArtifactRefused, match=r"could not be read \(.*\)\. Is that server up\?"):
        build_presence.look(application, SHA)


def test_an_address_of_something_else_is_told(application: Application) -> None:
    application.artifact_url = "http://127.0.0.1:1/{sha}.zip"
    with pytest.raises(ArtifactRefused, match=r"need an address that ends with \.tar"):
        build_presence.look(application, SHA)


def test_a_checksum_beside_which_there_is_no_build_is_told(application: Application, server: BuildsServer) -> None:
    server.put(f"/shop-{SHA}.tar.gz", packed(FILES))
    del server.files[f"/shop-{SHA}.tar.gz"]
    with pytest.raises(NotBuiltYet, match=r"gz is not there\. .* Its checksum is there, so the address"):
        build_presence.look(application, SHA)
    server.takes_head = False
    build_presence.look(application, SHA)


def test_a_server_that_hangs_is_not_waited_for(application: Application, server: BuildsServer) -> None:
    server.waits.clear()
    try:
        with pytest.raises(ArtifactNotAnswered, match=r"sha256 did not answer within \d+ s, so nobody knows"):
            build_presence.look(application, SHA, seconds=0.2)
    finally:
        server.waits.set()


def of_artifacts(place: FleetTarget, server: BuildsServer) -> None:
    application = place.target.application
    application.distribution, application.artifact_url = "artifact", f"{server.url}/{{sha}}.tar.gz"
    application.save()


@pytest.mark.both_databases
def test_a_missing_build_is_a_named_blocker_and_can_be_waited_for(
    place: FleetTarget, server: BuildsServer, shop: Repository, settings: Settings, tmp_path: Path
) -> None:
    settings.VAR = tmp_path
    of_artifacts(place, server)
    with pytest.raises(Blocked) as refused:
        request(place)
    (blocker,) = refused.value.blockers
    assert (blocker.kind, blocker.passes) == ("artifact", True)
    assert f"{server.url}/{shop.git('rev-parse', 'main')}.tar.gz.sha256 is not there" in blocker.text
    assert not Deploy.objects.exists()
    waiting = lifecycle.request_deploy(target=place.target, ref="main", by=place.by, wait=True)
    assert waiting.status == "waiting"
    assert not lifecycle.start_waiting(waiting)
    server.put(f"/{waiting.revision}.tar.gz", packed(FILES))
    assert not lifecycle.start_waiting(waiting), "the server was asked again at once"
    build_presence._looked.clear()
    assert lifecycle.start_waiting(waiting)


def wait_for(deploy: Deploy, minutes: int) -> None:
    """As if it had been looked for that long."""
    Deploy.objects.filter(pk=deploy.pk).update(build_missing_since=timezone.now() - timedelta(minutes=minutes))


@pytest.mark.both_databases
def test_those_behind_a_build_that_never_comes_go_on_after_its_time(
    place: FleetTarget, server: BuildsServer, settings: Settings, tmp_path: Path
) -> None:
    settings.VAR = tmp_path
    of_artifacts(place, server)
    first = lifecycle.request_deploy(target=place.target, ref="v1", by=place.by, wait=True)
    second = lifecycle.request_deploy(target=place.target, ref="main", by=place.by, wait=True)
    server.put(f"/{second.revision}.tar.gz", packed(FILES))
    build_presence._looked.clear()
    advance(second)
    first.refresh_from_db()
    assert first.build_awaited_until is not None
    told, _ = blockers.of_waiting(first)  # nor does a worker run
    assert (told.kind, told.until) == ("artifact", first.build_awaited_until.isoformat())
    assert "then it ends, and those behind it go on" in told.text
    shown = api_of(user=place.by).get(f"deploys/{second.pk}").json()
    assert shown["blockers"][-1]["text"] == f"#{first.number} waits for its build, and goes first."
    pages = sign_in(place.by)
    assert f"{first.revision}.tar.gz. That is waited for until" in text_of(pages.get(reverse("waiting")).content)
    assert "It waits for its build." in text_of(pages.get(reverse("waiting")).content)
    page = pages.get(reverse("deploy", args=[second.pk])).content
    assert f"#{first.number}, which waits for its build, before it in the line." in text_of(page)
    wait_for(first, settings.ARTIFACT_WAIT_MINUTES - 1)
    advance(second)
    assert statuses_of(first, second) == ["waiting", "waiting"]
    wait_for(first, settings.ARTIFACT_WAIT_MINUTES)
    advance(second)
    advance(second)
    assert statuses_of(first, second) == ["failed", "running"]
    first.refresh_from_db()
    assert first.reason.startswith("Its build has not come within 60 minutes, so those behind it go on. There is no")


@pytest.mark.both_databases
def test_one_that_waits_for_its_build_can_be_cancelled_and_those_behind_go_on(
    place: FleetTarget, server: BuildsServer, settings: Settings, tmp_path: Path
) -> None:
    settings.VAR = tmp_path
    of_artifacts(place, server)
    first = lifecycle.request_deploy(target=place.target, ref="v1", by=place.by, wait=True)
    second = lifecycle.request_deploy(target=place.target, ref="main", by=place.by, wait=True)
    server.put(f"/{second.revision}.tar.gz", packed(FILES))
    build_presence._looked.clear()
    advance(second)
    lifecycle.request_cancel(first, by=place.by)
    advance(second)
    assert statuses_of(first, second) == ["cancelled", "running"]


def advance(deploy: Deploy) -> None:
    engine.advance(deploy.pk, offer=lambda *_: None)


def statuses_of(*deploys: Deploy) -> list[str]:
    return [Deploy.objects.get(pk=deploy.pk).status for deploy in deploys]


@pytest.mark.both_databases
def test_every_door_says_the_same_of_a_missing_build(
    place: FleetTarget, server: BuildsServer, shop: Repository, settings: Settings, tmp_path: Path
) -> None:
    settings.VAR = tmp_path
    of_artifacts(place, server)
    client, names = sign_in(place.by), [place.target.application.name, place.target.environment.name]
    revision = shop.git("rev-parse", "main")
    plan = client.get(reverse("new-deploy-plan", args=names), {"ref": "main"}).content.decode()
    assert "Looking for the build of" in plan
    assert server.asked == [], "the plan asks nobody but the repository"
    look = unescape(re.findall(r'hx-get="([^"]+)" hx-trigger="load"', plan)[0])
    with pytest.raises(Blocked) as refused:
        request(place)
    (said,) = [blocker.text for blocker in refused.value.blockers]
    shown = client.get(look).content.decode()
    assert said in unescape(text_of(shown.encode()))
    assert "when its build is there" in text_of(shown.encode())
    start = reverse("start-deploy", args=names)
    assert said in unescape(client.post(start, {"ref": "main"}, follow=True).content.decode())
    answer = api_of(user=place.by).post(f"targets/{'/'.join(names)}/deploys", {"ref": "main"})
    assert said in check_problem(answer, 409, "blocked")["detail"]
    assert said in [blocker.text for blocker in rehearsal.rehearse(place.target, "main", by=place.by).blockers]
    again = unescape(re.findall(r'hx-get="([^"]+)" hx-trigger="every', shown)[0])
    assert client.get(again).status_code == 204
    server.put(f"/{revision}.tar.gz", packed(FILES))
    build_presence._looked.clear()
    assert "Becomes #1" in text_of(client.get(again).content)
    assert not Deploy.objects.exists()


def test_the_plan_of_what_lies_here_already_asks_nobody(
    place: FleetTarget, server: BuildsServer, shop: Repository, settings: Settings, tmp_path: Path
) -> None:
    settings.VAR = tmp_path
    of_artifacts(place, server)
    revision = shop.git("rev-parse", "main")
    server.put(f"/{revision}.tar.gz", packed(FILES))
    ensure_archive(place.target.application, revision)
    server.files.clear()
    names = [place.target.application.name, place.target.environment.name]
    plan = sign_in(place.by).get(reverse("new-deploy-plan", args=names), {"ref": "main"})
    assert "Becomes #1" in text_of(plan.content)
    assert not blockers.of_revision(place.target, revision)


@pytest.mark.parametrize("revision", ["", "main", "../../etc", "0" * 39, "0" * 41, "0" * 39 + "\n"])
def test_only_a_revision_is_looked_for(place: FleetTarget, server: BuildsServer, revision: str) -> None:
    of_artifacts(place, server)
    names = [place.target.application.name, place.target.environment.name]
    answer = sign_in(place.by).get(reverse("new-deploy-start", args=names), {"revision": revision})
    assert (answer.status_code, server.asked) == (404, [])


def test_a_viewer_makes_nobody_ask(place: FleetTarget, server: BuildsServer, viewer: User) -> None:
    of_artifacts(place, server)
    client, names = sign_in(viewer), [place.target.application.name, place.target.environment.name]
    assert client.get(reverse("new-deploy-start", args=names), {"revision": SHA}).status_code == 403
    plan = client.get(reverse("new-deploy-plan", args=names), {"ref": "main"})
    assert "Your role may look, not deploy" in text_of(plan.content)
    assert server.asked == []


def test_a_wrong_address_cannot_be_waited_for(
    place: FleetTarget, server: BuildsServer, settings: Settings, tmp_path: Path
) -> None:
    settings.VAR = tmp_path
    of_artifacts(place, server)
    place.target.application.artifact_url = "http://127.0.0.1:1/{sha}.tar.gz"
    with pytest.raises(Blocked, match="Is that server up"):
        lifecycle.request_deploy(target=place.target, ref="main", by=place.by, wait=True)


def test_a_build_is_deployed(
    make_fleet_target: MakeFleetTarget, driver: Driver, server: BuildsServer, shop: Repository
) -> None:
    place = make_fleet_target(hosts=2)
    of_artifacts(place, server)
    server.put(f"/{shop.git('rev-parse', 'main')}.tar.gz", packed(FILES))
    deploy = driver.run_to_end(request(place))
    assert deploy.status == "succeeded", deploy.reason
    for root in place.roots():
        assert (root / "current/index.html").read_text() == FILES["index.html"]
    assert deploy.release is not None
    deploy.release.refresh_from_db()
    assert deploy.release.size == sum(map(len, FILES.values()))
