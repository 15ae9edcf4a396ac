"""From Debian's real Capistrano to the Deployer and back, on a real OpenSSH server."""

import getpass
from collections.abc import Iterator
from io import StringIO
from pathlib import Path

import pytest
from django.core.management import call_command
from pytest_django import Settings

from deployments import lifecycle
from deployments.models import Deploy
from deployments.runs import release_of
from environments.keys import ensure_key_pair
from environments.models import Application, Host, HostKey, Target
from tests.builders import make_user
from tests.deployments.capistrano.project import Project, make_project
from tests.deployments.fleet import Driver
from tests.deployments.openssh import OpenSSH, running
from tests.processes import Processes
from tests.repository import Repository


@pytest.fixture
def openssh(processes: Processes, tmp_path: Path) -> Iterator[OpenSSH]:
    # Debian's net-ssh does not know ed25519 by itself
    with running(processes, tmp_path, kinds=("ed25519", "ecdsa")) as server:
        yield server


@pytest.fixture
def repository(tmp_path: Path, settings: Settings) -> Repository:
    settings.REPOSITORY_ROOTS = [tmp_path]
    (tmp_path / "shop").mkdir()
    made = Repository(tmp_path / "shop")
    made.commit({"index.html": "<h1>one</h1>\n", "log/.keep": ""})
    return made


@pytest.fixture
def project(openssh: OpenSSH, repository: Repository, tmp_path: Path) -> Project:
    (tmp_path / "project").mkdir()
    return make_project(tmp_path / "project", openssh, repository)


def run_command(*words: str) -> str:
    out = StringIO()
    call_command(*words, stdout=out)
    return out.getvalue()


def test_from_capistrano_and_back(
    project: Project, repository: Repository, driver: Driver, transactional_db: None
) -> None:
    project.cap("deploy")
    first = project.current()
    repository.commit({"index.html": "<h1>two</h1>\n"})
    project.cap("deploy")
    second = project.current()

    target = take_over(project)
    past = list(Deploy.objects.filter(target=target).order_by("number"))
    assert [(deploy.number, release_of(deploy).name, deploy.by_name) for deploy in past] == [
        (1, first, "grace"),
        (2, second, "grace"),
    ]

    repository.commit({"index.html": "<h1>three</h1>\n"})
    by = make_user()
    ours = driver.run_to_end(lifecycle.request_deploy(target=target, ref="main", by=by))
    assert (ours.status, [run.error for run in ours.runs.all()]) == ("succeeded", [""])
    assert (project.root / "current/index.html").read_text() == "<h1>three</h1>\n"
    assert (project.root / "current/log").resolve() == project.root / "shared/log"
    assert {first, second} < set(project.releases())

    back = driver.run_to_end(lifecycle.roll_back(target, by=by))
    assert (back.status, project.current()) == ("succeeded", second)

    run_command("leave", target.slug, "--yes")
    assert not (project.root / ".deployer").exists()
    assert project.releases() == [first, second, release_of(ours).name[:14]]

    repository.commit({"index.html": "<h1>four</h1>\n"})
    assert "Skipping cleanup" not in project.cap("deploy")
    fourth = project.current()
    assert (project.root / "current/index.html").read_text() == "<h1>four</h1>\n"
    assert len(project.releases()) == 3, "its own clean-up counts our release like its own"
    project.cap("deploy:rollback")
    assert (project.current(), (project.root / "current/index.html").read_text()) == (second, "<h1>two</h1>\n")
    assert fourth not in project.releases()


def test_what_serves_when_we_leave_can_be_gone_back_to(
    project: Project, repository: Repository, driver: Driver, transactional_db: None
) -> None:
    project.cap("deploy")
    project.cap("deploy")
    second = project.current()
    target = take_over(project)
    Application.objects.update(distribution="git")  # hosts fetch into the mirror that Capistrano has made
    target = Target.objects.get(pk=target.pk)
    repository.commit({"index.html": "<h1>two</h1>\n"})
    ours = driver.run_to_end(lifecycle.request_deploy(target=target, ref="main", by=make_user()))
    assert (ours.status, [run.error for run in ours.runs.all()]) == ("succeeded", [""])
    live = release_of(ours).name
    said = run_command("leave", target.slug, "--yes")
    assert f"release {live} keeps its name" in said
    assert "our refs in" in said

    assert "Skipping cleanup of invalid releases" in project.cap("deploy:cleanup")
    assert project.current() == live, "a clean-up never takes what serves"
    repository.commit({"index.html": "<h1>three</h1>\n"})
    project.cap("deploy")
    assert (project.root / "current/index.html").read_text() == "<h1>three</h1>\n"
    project.cap("deploy:rollback")
    assert (project.current(), (project.root / "current/index.html").read_text()) == (live, "<h1>two</h1>\n")
    project.cap("deploy:rollback")
    assert project.current() == second


def take_over(project: Project) -> Target:
    """The steps of docs/from-capistrano.md."""
    said = run_command("import-capistrano", str(project.folder / "Capfile"))
    assert "lib/capistrano/tasks/restart.rake:3: task deploy:restart_app (Restart the application)" in said
    host = Host.objects.get()
    assert f"manage.py hostkey scan {host.name}" in said
    trust(project, host)
    target = Target.objects.get()
    assert (target.slug, target.root, target.user) == ("shop/production", str(project.root), getpass.getuser())
    assert (target.linked_dirs, target.linked_files, target.keep) == (["log"], ["config/app.yml"], 3)
    said = run_command("import-capistrano", "--history", target.slug)
    assert f"2 deploys and 2 releases of {target.slug} were taken over." in said
    target.refresh_from_db()
    return target


def trust(project: Project, host: Host) -> None:
    """What a person does: put the Deployer's key on the host, and accept the host's."""
    with (project.server.folder / "authorized_keys").open("a") as keys:
        keys.write(f"{ensure_key_pair().public}\n")
    algorithm, key, *_ = project.server.host_key
    HostKey.objects.create(host=host, algorithm=algorithm, key=key, accepted_by="ada")
