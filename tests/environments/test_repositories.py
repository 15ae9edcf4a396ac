"""Repositories: refs become 40 hex digits, and git sees nothing that it could take for an option or a helper."""

import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from environments import git, repositories
from environments.models import Application, GitHostKey
from environments.repositories import (
    GitHostUnknown,
    RefNotFound,
    RepositoryError,
    RepositoryUnreachable,
)
from environments.sealed import seal
from tests.patience import eventually
from tests.repository import Repository


@pytest.mark.parametrize("ref", ["main", "v1", "light", "feature/umlaut#1"])
def test_a_ref_becomes_its_commit(ref: str, application: Application, shop: Repository) -> None:
    assert repositories.resolve(application, ref) == shop.git("rev-parse", f"{ref}^{{commit}}")


def test_a_commit_is_known_by_seven_digits_or_all(application: Application, shop: Repository) -> None:
    revision = shop.git("rev-parse", "main")
    assert repositories.resolve(application, revision) == revision
    assert repositories.resolve(application, revision[:7]) == revision


def test_a_known_commit_needs_no_fetch(application: Application, shop: Repository, fake_git: Path) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PATH", "/usr/local/bin:/usr/bin:/bin")
        revision = repositories.resolve(application, "main")
        shop.path.rename(shop.path.with_name("gone"))
        assert repositories.resolve(application, revision) == revision
    assert not fake_git.exists()


def test_a_branch_that_looks_like_a_commit_is_the_branch(application: Application, shop: Repository) -> None:
    first = shop.git("rev-parse", "v1^{commit}")
    shop.git("push", "-q", str(shop.path), f"main:refs/heads/{first[:8]}")
    assert repositories.resolve(application, first[:8]) == shop.git("rev-parse", "main")


def test_what_was_pushed_or_removed_meanwhile_is_seen(application: Application, shop: Repository) -> None:
    repositories.resolve(application, "feature/umlaut#1")
    newer = shop.commit({"a": "3"})
    shop.git("push", "-q", "--delete", str(shop.path), "feature/umlaut#1")
    assert repositories.resolve(application, "main") == newer
    with pytest.raises(RefNotFound):
        repositories.resolve(application, "feature/umlaut#1")


def test_many_who_ask_at_once_share_a_fetch_that_began_after_they_asked(
    application: Application, shop: Repository, monkeypatch: pytest.MonkeyPatch
) -> None:
    repositories.fetch(application)
    fetches, asked, asks = [], threading.Event(), []
    real, check = git.run, repositories.check_address

    def counted(arguments: Sequence[str], **more: Any) -> bytes:
        if "fetch" in arguments:
            fetches.append(arguments)
            asked.wait(30)
        return real(arguments, **more)

    def noted(address: str) -> None:
        asks.append(address)
        check(address)

    monkeypatch.setattr(repositories, "run", counted)
    monkeypatch.setattr(repositories, "check_address", noted)
    with ThreadPoolExecutor(8) as crowd:
        first = crowd.submit(repositories.fetch, application)
        eventually(lambda: fetches)
        late = [crowd.submit(repositories.resolve, application, "main") for _ in range(6)]
        eventually(lambda: len(asks) == 7)
        newer = shop.commit({"a": "4"})  # after they asked; the one that they share begins later still
        asked.set()
        assert {one.result() for one in late} == {newer}
        first.result()
    assert len(fetches) == 2
    assert repositories.resolve(application, "main") == newer
    assert len(fetches) == 3, "who asks later gets one of its own"


def test_a_history_that_was_written_anew_is_followed(application: Application, shop: Repository) -> None:
    repositories.resolve(application, "main")
    shop.git("reset", "-q", "--hard", "v1")
    newer = shop.commit({"c": "1"})
    assert repositories.resolve(application, "main") == newer


def test_an_unknown_ref_is_told(application: Application) -> None:
    with pytest.raises(RefNotFound, match=r"shop has no branch, tag or commit named 'nonsense'\. Nothing was changed"):
        repositories.resolve(application, "nonsense")


def test_what_git_sees_ends_its_options_first(application: Application, fake_git: Path) -> None:
    application.repository = "https://git.example.org/shop.git"
    mirror = repositories.mirror_folder(application)
    mirror.mkdir(parents=True)
    (mirror / "HEAD").touch()
    with pytest.raises(RepositoryUnreachable):
        repositories.resolve(application, "main")
    calls = fake_git.read_text().splitlines()
    (fetched,) = [call for call in calls if " fetch " in call]
    assert fetched.endswith(
        "--no-recurse-submodules --end-of-options https://git.example.org/shop.git "
        "+refs/heads/*:refs/heads/* +refs/tags/*:refs/tags/*"
    )
    assert "core.hooksPath=/dev/null" in fetched


@pytest.mark.parametrize("address", ["git@git.example.org:shop.git", "ssh://git@git.example.org:2222/shop.git"])
def test_a_git_host_whose_key_nobody_accepted_is_not_called(
    address: str, application: Application, fake_git: Path
) -> None:
    application.repository = address
    with pytest.raises(GitHostUnknown, match="No key of the git host"):
        repositories.resolve(application, "main")
    assert not fake_git.exists()
    host = "git.example.org" if "2222" not in address else "[git.example.org]:2222"
    GitHostKey.objects.create(host=host, algorithm="ssh-ed25519", key="AAAA", accepted_by="ada")
    assert repositories.credentials(application).known_hosts == f"{host} ssh-ed25519 AAAA\n"


def test_a_repository_that_is_not_there_is_told_in_gits_own_words(application: Application, shop: Repository) -> None:
    shop.path.rename(shop.path.with_name("gone"))
    with pytest.raises(RepositoryUnreachable, match=r"The repository of shop could not be fetched: .*Check its"):
        repositories.resolve(application, "main")


def test_a_repository_that_does_not_answer_is_told(
    application: Application, fake_git: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (fake_git.parent / "bin/git").write_text("#!/bin/sh\nexec sleep 60\n")
    monkeypatch.setattr(repositories, "FETCH_SECONDS", 0.5)
    mirror = repositories.mirror_folder(application)
    (mirror / "refs/heads").mkdir(parents=True)
    for name in ("HEAD", "refs/heads/main"):  # fetched before: a first fetch may take longer
        (mirror / name).touch()
    with pytest.raises(RepositoryUnreachable, match=r"did not answer within 0\.5 s"):
        repositories.fetch(application)


def test_secrets_are_private_files_only_while_git_runs(
    application: Application, tmp_path: Path, fake_git: Path
) -> None:
    seen = tmp_path / "seen"
    script = f"""#!/bin/sh
for word; do case $word in *--file=*) store=${{word##*--file=}} ;; esac; done
[ -z "$store" ] || {{ ls -l "${{store%/*}}"; cat "$store" "${{store%/*}}/key"; env; echo "$*"; }} >>{seen}
exit 1
"""
    (fake_git.parent / "bin/git").write_text(script)
    application.repository = "https://git.example.org/shop.git"
    application.https_user, application.https_token = "ci", seal("tok/en with+odd")
    application.deploy_key = seal("PRIVATE KEY\n")
    mirror = repositories.mirror_folder(application)
    mirror.mkdir(parents=True)
    (mirror / "HEAD").touch()
    with pytest.raises(RepositoryUnreachable):
        repositories.fetch(application)
    told = seen.read_text()
    assert "https://ci:tok%2Fen%20with%2Bodd@git.example.org" in told
    assert told.count("tok") == 1, "in the file alone: neither an argument nor the environment"
    assert told.count("PRIVATE KEY") == 1
    modes = {line.split()[0] for line in told.splitlines() if line.startswith("-r")}
    assert modes == {"-rw-------"}
    store = next(word for word in told.split() if "--file=" in word).partition("--file=")[2]
    assert not Path(store).parent.exists()


def test_refs_are_listed_and_searched(application: Application, shop: Repository) -> None:
    assert repositories.refs(application) == []
    repositories.fetch(application)
    found = [(ref.kind, ref.name) for ref in repositories.refs(application)]
    assert sorted(found) == [("branch", "feature/umlaut#1"), ("branch", "main"), ("tag", "light"), ("tag", "v1")]
    (tag,) = repositories.refs(application, "v1")
    assert (tag.commit.revision, tag.commit.subject) == (shop.git("rev-parse", "v1^{commit}"), "one")
    revision = shop.git("rev-parse", "main")
    (commit,) = repositories.refs(application, revision[:9])
    assert (commit.kind, commit.name, commit.commit.author) == ("commit", revision, "Ada")
    assert len(repositories.refs(application, limit=2)) == 2


def test_commits_are_told_newest_first(application: Application, shop: Repository) -> None:
    repositories.fetch(application)
    old, new = shop.git("rev-parse", "v1^{commit}"), shop.git("rev-parse", "feature/umlaut#1")
    between = repositories.commits_between(application, old, new)
    assert [commit.subject for commit in between] == ["Change b", "Change a"]
    assert repositories.count_between(application, old, new) == 2
    assert repositories.commits(application, new, limit=1)[0].revision == new
    assert repositories.commits_between(application, new, old) == []


def test_a_revision_that_is_gone_is_told(application: Application) -> None:
    with pytest.raises(RefNotFound, match="is no longer in the repository of shop"):
        repositories.ensure_revision(application, "0" * 40)
    with pytest.raises(RepositoryError, match="The cached repository of shop could not be read"):
        repositories.commits(application, "0" * 40)
