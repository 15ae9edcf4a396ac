"""The demo's git repositories."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from environments.demo.history import Commit, Edit, HistoryError, fast_import
from environments.demo.repositories import RepositoryError, ensure_repositories
from environments.demo.team import AMINA

NOW = 1_790_000_000


@pytest.fixture(scope="module")
def repositories(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    return ensure_repositories(tmp_path_factory.mktemp("repositories"), now=NOW)


def git(repository: Path, *arguments: str) -> list[str]:
    command = ["git", "--git-dir", str(repository), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()


@pytest.mark.parametrize("name", ["storefront", "pricing-api"])
def test_each_has_weeks_of_work_by_a_team(repositories: dict[str, Path], name: str) -> None:
    repository = repositories[name]
    assert len(git(repository, "log", "--format=%H", "main")) >= 14
    assert len(set(git(repository, "log", "--format=%an", "main"))) >= 4
    dates = [int(line) for line in git(repository, "log", "--format=%at", "main")]
    assert dates == sorted(dates, reverse=True)
    assert max(dates) < NOW
    assert max(dates) - min(dates) > 21 * 86_400
    assert git(repository, "tag") == ["v1.0", "v1.1", "v1.2"]
    assert len(git(repository, "log", "--format=%H", "v1.2..main")) >= 2
    assert git(repository, "fsck", "--strict", "--no-dangling") == []


@pytest.mark.parametrize(
    ("name", "branch"),
    [
        ("storefront", "feature/dark-mode"),
        ("storefront", "fix/product-pictures"),
        ("storefront", "feature/gift-cards"),
        ("pricing-api", "feature/currencies"),
        ("pricing-api", "feature/volume-discounts"),
    ],
)
def test_branches_are_ahead_of_main(repositories: dict[str, Path], name: str, branch: str) -> None:
    assert git(repositories[name], "log", "--format=%H", f"main..{branch}")


def test_the_same_time_gives_the_same_commits(repositories: dict[str, Path], tmp_path: Path) -> None:
    again = ensure_repositories(tmp_path, now=NOW)
    for name, path in again.items():
        assert git(path, "for-each-ref") == git(repositories[name], "for-each-ref")


def test_a_second_call_changes_nothing(tmp_path: Path) -> None:
    first = ensure_repositories(tmp_path, now=NOW)
    before = {path: path.stat().st_mtime_ns for path in sorted(tmp_path.rglob("*"))}
    assert ensure_repositories(tmp_path, now=NOW + 86_400) == first
    assert {path: path.stat().st_mtime_ns for path in sorted(tmp_path.rglob("*"))} == before


def test_dates_are_recent_by_default(tmp_path: Path) -> None:
    newest = int(git(ensure_repositories(tmp_path)["storefront"], "log", "-1", "--format=%at", "main")[0])
    assert 0 < time.time() - newest < 3 * 86_400


def test_a_failure_leaves_no_half_repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "bin").mkdir()
    broken = tmp_path / "bin" / "git"
    broken.write_text('#!/bin/sh\necho "fatal: disk full" >&2\nexit 128\n')
    broken.chmod(0o755)
    monkeypatch.setenv("PATH", f"{broken.parent}{os.pathsep}{os.environ['PATH']}")
    with pytest.raises(RepositoryError, match=r"git init failed.*disk full"):
        ensure_repositories(tmp_path / "repositories", now=NOW)
    assert list((tmp_path / "repositories").iterdir()) == []


def test_without_git_the_error_says_what_is_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(RepositoryError, match="git is not installed"):
        ensure_repositories(tmp_path / "repositories", now=NOW)


def test_an_edit_that_does_not_fit_is_an_error(tmp_path: Path) -> None:
    commit = Commit(AMINA, 1, "Rename", (Edit("serve.py", "old", "new"),))
    with pytest.raises(HistoryError, match=r"'old' is 0 times in serve\.py"):
        fast_import([commit], folder=tmp_path, now=NOW)


def checked_out(repository: Path, ref: str, folder: Path) -> Path:
    folder.mkdir()
    archive = subprocess.run(["git", "--git-dir", str(repository), "archive", ref], capture_output=True, check=True)
    subprocess.run(["tar", "-x", "-C", str(folder)], input=archive.stdout, check=True)
    (folder / "REVISION").write_text(git(repository, "rev-parse", ref)[0] + "\n")
    return folder


def run(folder: Path, script: str, tmp_path: Path, **environment: str) -> "subprocess.CompletedProcess[str]":
    tools = tmp_path / "tools"
    tools.mkdir(exist_ok=True)
    (tools / "python3").unlink(missing_ok=True)
    (tools / "python3").symlink_to(os.path.realpath(sys.executable))
    names = {"PATH": f"{tools}{os.pathsep}{os.environ['PATH']}", "HOME": str(tmp_path), **environment}
    return subprocess.run(f"bin/{script}".split(), cwd=folder, env=names, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("ref", ["v1.2", "main", "feature/dark-mode"])
def test_the_storefront_s_steps_run(repositories: dict[str, Path], tmp_path: Path, ref: str) -> None:
    folder = checked_out(repositories["storefront"], ref, tmp_path / "release")
    done = run(folder, "compile-assets", tmp_path)
    assert done.returncode == 0, done.stderr
    assert "\033[32mdone" in done.stdout
    assert 0 < (folder / "static/compiled/site.css").stat().st_size < (folder / "static/site.css").stat().st_size
    assert "2 applied, 0 were there already" in run(folder, "migrate", tmp_path).stdout
    assert "0 applied, 2 were there already" in run(folder, "migrate", tmp_path).stdout
    for name in ("0002_currency.sql", "0001_products.sql"):
        assert run(folder, "migrate down", tmp_path).stdout.endswith(f"    {name}\n")
    assert "nothing to take back" in run(folder, "migrate down", tmp_path).stderr
    assert "2 applied, 0 were there already" in run(folder, "migrate", tmp_path).stdout
    assert run(folder, "warm-cache", tmp_path).returncode == 0


@pytest.mark.parametrize("ref", ["v1.2", "main", "feature/currencies"])
def test_the_pricing_api_s_steps_run(repositories: dict[str, Path], tmp_path: Path, ref: str) -> None:
    folder = checked_out(repositories["pricing-api"], ref, tmp_path / "release")
    assert run(folder, "check-prices", tmp_path).returncode == 0
    assert "2 applied" in run(folder, "migrate", tmp_path).stdout
    assert "0 applied" in run(folder, "migrate", tmp_path).stdout


def test_an_impossible_price_is_refused(repositories: dict[str, Path], tmp_path: Path) -> None:
    folder = checked_out(repositories["pricing-api"], "feature/volume-discounts", tmp_path / "release")
    done = run(folder, "check-prices", tmp_path)
    assert done.returncode == 1
    assert "impossible; correct prices.json" in done.stderr


@pytest.mark.parametrize(("libvips", "status"), [("8.12.2", 1), ("8.15.1", 0), ("8.9", 1), ("10.0", 0)])
def test_one_branch_fails_on_hosts_with_an_old_image(
    repositories: dict[str, Path], tmp_path: Path, libvips: str, status: int
) -> None:
    folder = checked_out(repositories["storefront"], "fix/product-pictures", tmp_path / "release")
    (tmp_path / ".image").write_text(f"zone us-east-b\nlibvips {libvips}\n")
    done = run(folder, "compile-assets", tmp_path, DEMO_HOST="us-east-b-01")
    assert done.returncode == status
    if status:
        assert f"us-east-b-01 has libvips {libvips}, AVIF pictures need 8.15" in done.stderr
        assert "renew the machine image of zone us-east-b" in done.stderr
