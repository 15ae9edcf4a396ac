"""The archive of a revision: the same bytes everywhere, made once, never half."""

import gzip
import subprocess
import tarfile
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import zstandard
from pytest_django import Settings

from deployments.archives import ArchiveFailed, ensure_archive, with_changes
from deployments.packing import MANIFEST
from environments import repositories as git
from environments.models import Application
from environments.repositories import RepositoryError
from tests.repository import Repository


@pytest.fixture
def application(shop: Repository, repositories: Path, settings: Settings, tmp_path: Path, db: None) -> Application:
    settings.REPOSITORY_ROOTS, settings.VAR = [repositories], tmp_path
    return Application.objects.create(name="shop", repository=shop.url)


def contents(path: Path) -> dict[str, str]:
    """The files and links (`-> target`) of an archive, without its manifest."""
    found = {}
    with tarfile.open(path) as tar:
        for member in tar:
            file = tar.extractfile(member) if member.isreg() else None
            if member.issym():
                found[member.name] = f"-> {member.linkname}"
            elif file is not None and member.name != MANIFEST:
                found[member.name] = file.read().decode()
    return found


def manifest_in(path: Path) -> list[str]:
    with tarfile.open(path) as tar:
        file = tar.extractfile(MANIFEST)
        assert file is not None
        return file.read().decode().splitlines()


def test_it_holds_the_tree_and_says_so(application: Application, shop: Repository) -> None:
    revision = shop.git("rev-parse", "main")
    made = ensure_archive(application, revision)
    path = made.path_of("archive", "gz")
    assert path.stat().st_size == made.source.gz.size
    assert subprocess.check_output(["sha256sum", path], text=True).split()[0] == made.source.gz.sha256
    assert contents(path) == {"index.html": "<h1>two</h1>\n", "bin/serve.sh": "#!/bin/sh\n", "latest": "-> index.html"}
    zst = made.path_of("archive", "zst").read_bytes()
    with path.open("rb") as packed:
        assert zstandard.ZstdDecompressor().stream_reader(zst).read() == gzip.decompress(packed.read())
    lines = manifest_in(path)
    assert {"link ./latest", "to index.html"} <= set(lines)
    assert [line[66:] for line in lines if line[:64].isalnum()] == ["./bin/serve.sh", "./index.html"]


def test_it_is_the_same_wherever_it_is_made(
    application: Application, shop: Repository, settings: Settings, tmp_path: Path
) -> None:
    revision = shop.git("rev-parse", "main")
    first = ensure_archive(application, revision)
    settings.VAR = tmp_path / "elsewhere"
    second = ensure_archive(application, revision)
    assert first.folder != second.folder
    assert first.source == second.source


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


def test_nothing_but_its_files_is_left(application: Application, shop: Repository) -> None:
    made = ensure_archive(application, shop.git("rev-parse", "main"))
    names = {f"{made.revision}.{kind}" for kind in ("json", "lock", "tar.gz", "tar.zst")}
    assert {path.name for path in made.folder.iterdir()} == names


def test_what_differs_is_all_that_goes_to_a_host_that_serves_another_revision(
    application: Application, shop: Repository
) -> None:
    old = ensure_archive(application, shop.commit({"gone": "x", "mode.sh": "same\n"}, branch="old"))
    new = ensure_archive(application, shop.git("rev-parse", "main"))
    offered = with_changes(new, old.revision)
    assert offered.source.changes is not None
    assert offered.source.changes.base == old.source.gz.sha256
    path = offered.path_of("changes", "gz")
    assert contents(path) == {}
    assert manifest_in(path) == ["gone ./gone", "gone ./mode.sh", "total 0"]
    assert with_changes(new, old.revision) == offered
    assert with_changes(new, "0" * 40) == new
    assert with_changes(new, new.revision) == new


def test_a_file_that_is_only_executable_now_has_changed(application: Application, shop: Repository) -> None:
    old = ensure_archive(application, shop.commit({"tool": "same\n"}, branch="modes"))
    shop.git("update-index", "--chmod=+x", "tool")
    shop.git("commit", "-q", "-m", "mode")
    shop.git("push", "-q", "--force", str(shop.path), "modes")
    offered = with_changes(ensure_archive(application, shop.git("rev-parse", "HEAD")), old.revision)
    assert contents(offered.path_of("changes", "gz")) == {"tool": "same\n"}
