"""What is packed stays while it may be needed; the rest stays as far as there is room."""

import os
import threading
import time
from pathlib import Path

import pytest
from pytest_django import Settings

from deployments import archive_retention, archives
from deployments.archive_retention import prune
from deployments.archives import ensure_archive
from deployments.models import HeldRelease, Placement, Standing
from deployments.states import DeployStatus
from environments.models import Application, Target
from tests import builders
from tests.repository import Repository

pytestmark = pytest.mark.django_db
S = DeployStatus


@pytest.fixture
def target(settings: Settings, tmp_path: Path) -> Target:
    settings.VAR = tmp_path
    return builders.make_target(hosts=1)


def lay(target: Target, revision: str, *, hours: float = 2, kilobytes: int = 1) -> str:
    """An archive of `revision` that was wanted last some hours ago."""
    folder = archives.folder_of(target.application)
    folder.mkdir(parents=True, exist_ok=True)
    for end in ("json", "lock", "tar.gz", "tar.zst"):
        path = folder / f"{revision}.{end}"
        path.write_bytes(b"x" * (kilobytes << 10 if end == "tar.gz" else 1))
        age(path, hours)
    return revision


def age(path: Path, hours: float = 2) -> None:
    at = time.time() - hours * 3600
    os.utime(path, (at, at))


def left(target: Target) -> set[str]:
    """What lies there still, whole: a revision has all of its files, or none."""
    names = {path.name for path in archives.folder_of(target.application).iterdir()}
    found = {name[:40] for name in names if name[40:41] == "."}
    assert all({f"{one}.{end}" for end in ("json", "lock", "tar.gz", "tar.zst")} <= names for one in found)
    return found


def sha(number: int) -> str:
    return f"{number:040x}"


def no_room(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """Everything that may go must go."""
    settings.ARCHIVES_MOST_MB = 0
    monkeypatch.setattr(archive_retention, "KEPT", 0)


@pytest.mark.both_databases
def test_what_is_in_use_is_never_removed(target: Target, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    no_room(settings, monkeypatch)
    host = target.environment.memberships.get().host
    for number, status in enumerate(
        [S.WAITING, S.RUNNING, S.FAILED, S.SUCCEEDED], start=1
    ):  # the last but one does not count, the last is live
        builders.make_deploy(target=target, status=status, revision=lay(target, sha(number)))
    Standing.objects.update_or_create(target=target, defaults={"live": target.deploys.get(status=S.SUCCEEDED)})
    serving = builders.make_release(target=target, revision=lay(target, sha(5)))
    Placement.objects.create(host=host, target=target, current=serving)
    lay(target, sha(6))
    prune()
    assert left(target) == {sha(1), sha(2), sha(4), sha(5)}


@pytest.mark.both_databases
def test_of_builds_also_what_a_host_still_holds(
    target: Target, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    no_room(settings, monkeypatch)
    place = Placement.objects.create(host=target.environment.memberships.get().host, target=target)
    HeldRelease.objects.create(placement=place, release=builders.make_release(target=target, revision=sha(1)))
    lay(target, sha(1))
    prune()
    assert left(target) == set(), "a revision of the repository can be packed again"
    target.application.build_command = "make"
    target.application.save()
    lay(target, sha(1))
    lay(target, sha(2))
    prune()
    assert left(target) == {sha(1)}


def test_the_newest_stay(target: Target, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archive_retention, "KEPT", 2)
    for number in range(1, 5):
        lay(target, sha(number), hours=10 - number)
    folder = archives.folder_of(target.application)
    for number in range(1, 5):
        changes = folder / f"{sha(0)}-{sha(number)}.tar.gz"
        changes.touch()
        age(changes, 10 - number)
    prune()
    assert left(target) == {sha(3), sha(4)}
    assert {path.name[41:81] for path in folder.glob("*-*.tar.gz")} == {sha(3), sha(4)}


def test_what_was_wanted_longest_ago_makes_room(target: Target, settings: Settings) -> None:
    settings.ARCHIVES_MOST_MB = 1
    other = builders.make_target(hosts=0)
    lay(target, sha(1), hours=4, kilobytes=400)
    lay(other, sha(2), hours=3, kilobytes=400)
    lay(target, sha(3), hours=2, kilobytes=400)
    prune()
    assert (left(target), left(other)) == ({sha(3)}, {sha(2)})


def test_what_was_wanted_a_moment_ago_stays(
    target: Target, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It may be on its way to a host, for a deploy that a look at the database did not see yet."""
    no_room(settings, monkeypatch)
    lay(target, sha(1), hours=0)
    lay(target, sha(2))
    prune()
    assert left(target) == {sha(1)}


def test_what_is_being_made_stays(target: Target, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    no_room(settings, monkeypatch)
    lay(target, sha(1))
    with archives.alone_at_once(archives.folder_of(target.application) / f"{sha(1)}.lock") as alone:
        assert alone
        prune()
    assert left(target) == {sha(1)}
    prune()
    assert left(target) == set()


def test_what_nobody_can_want_any_more_goes(target: Target) -> None:
    """Of an application that is gone, of an earlier build command, and what a killed worker has left half made."""
    application = target.application
    application.build_command = "make"
    lay(target, sha(1))
    earlier = archives.folder_of(application)
    application.build_command = ""
    lay(target, sha(2))
    folder = archives.folder_of(application)
    (folder / f"{sha(3)}-build-x1/tree").mkdir(parents=True)
    (folder / f"{sha(3)}-build-x1/{sha(4)}.json").touch()
    for name in (f"{sha(3)}-build-x1", f"{sha(3)}.lock", f"{sha(3)}.tar"):
        (folder / name).touch()
        age(folder / name)
    assert (earlier / f"{sha(1)}.json").exists()
    prune()
    assert left(target) == {sha(2)}
    assert not list(earlier.iterdir())


def test_one_that_is_wanted_again_is_young_again(
    shop: Repository, repositories: Path, settings: Settings, tmp_path: Path
) -> None:
    settings.REPOSITORY_ROOTS, settings.VAR = [repositories], tmp_path
    application = Application.objects.create(name="shop", repository=shop.url)
    revision = shop.git("rev-parse", "main")
    made = ensure_archive(application, revision)
    for path in made.folder.iterdir():
        age(path)
    assert ensure_archive(application, revision) == made
    assert time.time() - (made.folder / f"{revision}.json").stat().st_mtime < 600


def test_a_lock_whose_file_was_removed_holds_nothing(tmp_path: Path) -> None:
    """Who waited for it opens the file that lies there now."""
    path, begun, over = tmp_path / "lock", threading.Event(), threading.Event()

    def hold() -> None:
        with archives.alone(path, archives.NOBODY):
            begun.set()
            over.wait(60)

    with archives.alone_at_once(path) as first:
        assert first
        waiting = path.open("a")  # as one who opened it before
        path.unlink()
        thread = threading.Thread(target=hold)
        thread.start()
        assert begun.wait(60), "the name is free"
    try:
        assert not archives._lies_there(path, waiting.fileno())
        with archives.alone_at_once(path) as second:
            assert not second
    finally:
        over.set()
        thread.join()
        waiting.close()
