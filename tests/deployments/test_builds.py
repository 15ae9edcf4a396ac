"""The build step: once, in a clean folder, without our secrets; and it ends with whoever wanted it."""

import os
import signal
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from pytest_django import Settings

from deployments import lifecycle, log
from deployments.archives import ArchiveFailed, ensure_archive
from deployments.builds import BuildInterrupted, Watch
from environments.models import Application
from tests.deployments.conftest import MakeFleetTarget
from tests.deployments.ended import request
from tests.deployments.fleet import Driver, eventually
from tests.deployments.host_program.looking import processes_with
from tests.deployments.test_archives import contents
from tests.repository import Repository


@pytest.fixture
def application(shop: Repository, repositories: Path, settings: Settings, tmp_path: Path, db: None) -> Application:
    settings.REPOSITORY_ROOTS, settings.VAR = [repositories], tmp_path / "var"
    return Application.objects.create(name="shop", repository=shop.url, build_output="out")


def revision_of(shop: Repository) -> str:
    return shop.git("rev-parse", "main")


def follower(said: list[str], stop: threading.Event | None = None) -> Watch:
    return Watch(say=said.extend, interrupted=(stop or threading.Event()).is_set, known_secrets=frozenset({"s3cret"}))


def test_its_output_folder_is_what_hosts_get(application: Application, shop: Repository) -> None:
    application.build_command = "mkdir -p out/css; tr a-z A-Z <index.html >out/css/i; ln out/css/i out/j; echo s3cret"
    said: list[str] = []
    made = ensure_archive(application, revision_of(shop), follower(said))
    assert contents(made.path_of("archive", "gz")) == {"css/i": "<H1>TWO</H1>\n", "j": "<H1>TWO</H1>\n"}
    assert said[0].startswith(f"Builds {revision_of(shop)[:7]} on a worker: mkdir")
    assert said[1] == "***"
    assert said[2].startswith("Built in ")
    assert [path.name for path in made.folder.iterdir() if "build" in path.name] == []


def test_without_an_output_folder_all_of_it_is_taken(application: Application, shop: Repository) -> None:
    application.build_command, application.build_output = "echo built >made", ""
    made = ensure_archive(application, revision_of(shop))
    assert set(contents(made.path_of("archive", "gz"))) == {"made", "index.html", "bin/serve.sh", "latest"}


def test_another_command_builds_anew(application: Application, shop: Repository) -> None:
    for text in ("one", "two"):
        application.build_command = f"mkdir out; echo {text} >out/x"
        made = ensure_archive(application, revision_of(shop))
        assert contents(made.path_of("archive", "gz")) == {"x": f"{text}\n"}


@pytest.mark.parametrize(
    ("command", "text"),
    [
        ("echo one; echo two >&2; exit 3", r"ended with exit code 3\. Nothing was sent.*one / two"),
        ("exit 4", r"ended with exit code 4.*It printed nothing"),
        ("true", "left no folder 'out'"),
        ("ln -s / out", "left no folder 'out'"),
        ("mkdir out; ln -s /etc out/etc", "outside of the release"),
        ("mkdir out; mkfifo out/fifo", "neither a file nor"),
    ],
)
def test_a_build_that_fails_tells_how(application: Application, shop: Repository, command: str, text: str) -> None:
    application.build_command = command
    with pytest.raises(ArchiveFailed, match=text):
        ensure_archive(application, revision_of(shop))


def test_its_time_limit_holds_for_all_that_it_started(
    application: Application, shop: Repository, tmp_path: Path
) -> None:
    application.build_command, application.build_time_limit = "sleep 41414 & (trap '' TERM; sleep 41414)", 1
    with pytest.raises(ArchiveFailed, match="ran longer than its limit of 1 seconds"):
        ensure_archive(application, revision_of(shop))
    eventually(lambda: not processes_with(tmp_path / "var"), what="the end of the build's processes")


def test_it_finds_none_of_our_secrets(
    application: Application, shop: Repository, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SECRET_KEY", "the key of keys")
    monkeypatch.setenv("DATABASE_URL", "postgresql://who:what@where/x")
    application.build_command = "mkdir out; env >out/env; readlink /proc/self/fd/* >out/open; true"
    found = contents(ensure_archive(application, revision_of(shop)).path_of("archive", "gz"))
    names = {line.partition("=")[0] for line in found["env"].splitlines()}
    assert {"SECRET_KEY", "DATABASE_URL"} & names == set()
    assert {"CI", "HOME", "PATH", "DEPLOYER_REVISION"} <= names
    assert "the key of keys" not in found["env"]
    assert "socket:" not in found["open"]


def test_of_many_that_want_it_one_builds(application: Application, shop: Repository, tmp_path: Path) -> None:
    application.build_command = f"echo x >>{tmp_path}/built; mkdir out; sleep 0.5; date >out/x"
    wanted = revision_of(shop)
    ensure_archive(Application(pk=application.pk, repository=application.repository), wanted)  # fills the mirror
    with ThreadPoolExecutor(4) as pool:
        found = set(pool.map(lambda _: ensure_archive(application, wanted).source, range(4)))
    assert len(found) == 1
    assert (tmp_path / "built").read_text() == "x\n"


def test_it_ends_when_nobody_wants_it_any_more(application: Application, shop: Repository, tmp_path: Path) -> None:
    application.build_command = "echo begun; sleep 41414"
    said: list[str] = []
    stop = threading.Event()
    with ThreadPoolExecutor(1) as pool:
        building = pool.submit(ensure_archive, application, revision_of(shop), follower(said, stop))
        eventually(lambda: "begun" in said, what="the build's beginning")
        stop.set()
        with pytest.raises(BuildInterrupted):
            building.result(timeout=30)
    eventually(lambda: not processes_with(tmp_path / "var"), what="the end of the build's processes")


_KILLED = """
import sys
from pathlib import Path
from deployments.builds import Watch, build
from environments.models import Application
application = Application(name="shop", build_command="echo begun; sleep 41414", build_time_limit=600)
watch = Watch(say=lambda texts: print(*texts, sep="\\n", flush=True), interrupted=lambda: False)
build(application, "a" * 40, Path(sys.argv[1]), Path(sys.argv[1]).with_name("left"), watch)
"""


def test_it_ends_with_a_worker_that_is_killed(tmp_path: Path) -> None:
    source = tmp_path / "source.tar"
    subprocess.run(["tar", "-cf", source, "-C", tmp_path, "-T", "/dev/null"], check=True)
    program = f"import django; django.setup(){_KILLED}"
    environment = {**os.environ, "DJANGO_SETTINGS_MODULE": "tests.settings"}
    worker = subprocess.Popen(
        [sys.executable, "-c", program, source], env=environment, stdout=subprocess.PIPE, text=True
    )
    assert worker.stdout is not None
    with worker.stdout:
        assert "begun" in (worker.stdout.readline() + worker.stdout.readline())
        worker.send_signal(signal.SIGKILL)
        worker.wait()
        eventually(lambda: not processes_with(tmp_path), what="the end of the build's processes")


def of_builds(place_application: Application, command: str) -> None:
    place_application.build_command, place_application.build_output = command, "out"
    place_application.save()


@pytest.mark.parametrize("distribution", ["archive", "git"])
def test_what_was_built_is_deployed_and_told(
    make_fleet_target: MakeFleetTarget, driver: Driver, distribution: str
) -> None:
    place = make_fleet_target(hosts=2, distribution=distribution)
    of_builds(place.target.application, "echo compiling; mkdir out; cp index.html out/built")
    deploy = driver.run_to_end(request(place))
    assert deploy.status == "succeeded", deploy.reason
    for root in place.roots():
        assert (root / "current/built").read_text() == "<h1>two</h1>\n"
    said = [line.text for line in log.read_all(deploy.pk) if line.stream == "deployer"]
    assert said.count("compiling") == 1


def test_a_failed_build_touches_no_host(make_fleet_target: MakeFleetTarget, driver: Driver) -> None:
    place = make_fleet_target(hosts=1)
    of_builds(place.target.application, "echo broken; exit 7")
    deploy = driver.run_to_end(request(place))
    assert deploy.status == "failed"
    assert "ended with exit code 7" in deploy.runs.get().error
    assert "broken" in deploy.runs.get().error
    assert not place.roots()[0].exists()


def test_a_cancel_ends_the_build(make_fleet_target: MakeFleetTarget, driver: Driver) -> None:
    place = make_fleet_target(hosts=1)
    of_builds(place.target.application, "echo begun; sleep 41414")
    deploy = request(place)
    with driver.running(deploy):
        eventually(lambda: any(line.text == "begun" for line in log.read_all(deploy.pk)), what="the build's beginning")
        lifecycle.request_cancel(deploy, by=place.by)
    assert deploy.status == "cancelled"
