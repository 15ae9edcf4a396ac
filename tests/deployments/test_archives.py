"""The archive of a revision: the same bytes everywhere, made once, never half."""

import json
import subprocess
import tarfile
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from pytest_django import Settings

from deployments import archives
from deployments.archives import ArchiveFailed, ensure_archive
from environments import repositories as git
from environments.models import Application
from environments.repositories import RepositoryError
from tests.repository import Repository


@pytest.fixture
def application(shop: Repository, repositories: Path, settings: Settings, tmp_path: Path, db: None) -> Application:
    settings.REPOSITORY_ROOTS, settings.VAR = [repositories], tmp_path
    return Application.objects.create(name="shop", repository=shop.url)


def test_it_holds_the_tree_and_says_so(application: Application, shop: Repository) -> None:
    revision = shop.git("rev-parse", "main")
    made = ensure_archive(application, revision)
    assert made.path.stat().st_size == made.size
    assert subprocess.check_output(["sha256sum", made.path], text=True).split()[0] == made.sha256
    with tarfile.open(made.path) as tar:
        names = {member.name for member in tar if not member.isdir()}
        index = tar.extractfile("index.html")
        assert index is not None
        assert index.read() == b"<h1>two</h1>\n"
    assert names == {"index.html", "bin/serve.sh", "latest"}
    lines = made.manifest.splitlines()
    assert {"link ./latest", "to index.html"} <= set(lines)
    assert [line[66:] for line in lines if line[:64].isalnum()] == ["./bin/serve.sh", "./index.html"]


def test_it_is_the_same_wherever_it_is_made(
    application: Application, shop: Repository, settings: Settings, tmp_path: Path
) -> None:
    revision = shop.git("rev-parse", "main")
    first = ensure_archive(application, revision)
    settings.VAR = tmp_path / "elsewhere"
    second = ensure_archive(application, revision)
    assert first.path != second.path
    assert (first.sha256, first.size, first.manifest) == (second.sha256, second.size, second.manifest)


@pytest.mark.django_db(transaction=True)
def test_of_many_that_want_it_one_makes_it(
    application: Application, shop: Repository, monkeypatch: pytest.MonkeyPatch
) -> None:
    revision = shop.git("rev-parse", "main")
    made: list[str] = []
    lock = threading.Lock()
    real = git.tar_of

    def counted(of: Application, which: str) -> "subprocess.Popen[bytes]":
        with lock:
            made.append(which)
        return real(of, which)

    monkeypatch.setattr(git, "tar_of", counted)
    with ThreadPoolExecutor(8) as pool:
        found = set(pool.map(lambda _: ensure_archive(application, revision), range(8)))
    assert (len(found), made) == (1, [revision])


def test_one_that_could_not_be_made_leaves_nothing(application: Application, shop: Repository) -> None:
    revision = shop.git("rev-parse", "main")
    git.fetch(application)
    tree = shop.git("rev-parse", f"{revision}^{{tree}}")
    (git.mirror_folder(application) / "objects" / tree[:2] / tree[2:]).unlink()
    with pytest.raises(ArchiveFailed, match=f"git could not archive {revision[:7]} of shop"):
        ensure_archive(application, revision)
    folder = git.mirror_folder(application).parents[1] / "archives" / str(application.pk)
    assert not [path for path in folder.iterdir() if path.name.endswith((".tar.gz", ".json"))]


def test_a_revision_that_is_gone_is_told(application: Application) -> None:
    with pytest.raises(RepositoryError, match="no longer in the repository of shop"):
        ensure_archive(application, "0" * 40)


def test_a_name_that_no_manifest_can_hold_is_refused(application: Application, repositories: Path) -> None:
    folder = repositories / "odd"
    folder.mkdir()
    odd = Repository(folder)
    application.repository = odd.url
    with pytest.raises(ValueError, match="A file name with a line break"):
        ensure_archive(application, odd.commit({"new\nline": "x"}))


def test_old_ones_are_removed(application: Application, shop: Repository, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archives, "KEPT", 1)
    first = ensure_archive(application, shop.git("rev-parse", "v1^{commit}"))
    second = ensure_archive(application, shop.git("rev-parse", "main"))
    assert (first.path.exists(), second.path.exists()) == (False, True)
    assert ensure_archive(application, shop.git("rev-parse", "v1^{commit}")).sha256 == first.sha256


def test_nothing_but_its_two_files_is_left(application: Application, shop: Repository) -> None:
    made = ensure_archive(application, shop.git("rev-parse", "main"))
    assert {path.name for path in made.path.parent.iterdir()} == {"lock", made.path.name, f"{made.path.name[:40]}.json"}
    assert json.loads(made.path.with_name(f"{made.path.name[:40]}.json").read_text())["sha256"] == made.sha256
