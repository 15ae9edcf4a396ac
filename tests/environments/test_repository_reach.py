"""Whether a repository is reached, and each way in which it is not: by real git, over SSH and https."""

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from pytest_django import Settings

from environments import adding_applications, deploy_keys, host_keys, repositories, repository_reach, ssh
from environments.adding_applications import Access
from environments.models import Application, Role
from environments.repository_reach import CannotReach
from environments.validation import repository_host
from tests import builders
from tests.deployments.fleet import closed_port
from tests.deployments.openssh import OpenSSH, running
from tests.environments.https_git import https_git
from tests.environments.keys import make_key
from tests.processes import Processes
from tests.repository import GIT_ENVIRONMENT, Repository

pytestmark = pytest.mark.django_db


@pytest.fixture
def git_host(processes: Processes, tmp_path: Path, settings: Settings) -> Iterator[OpenSSH]:
    settings.VAR = tmp_path / "var"
    with running(processes, tmp_path / "git-host") as server:
        (server.folder / "authorized_keys").touch(mode=0o600)
        yield server


@pytest.fixture
def shop(tmp_path: Path) -> Repository:
    (tmp_path / "git").mkdir()
    repository = Repository(tmp_path / "git")
    repository.commit({"a": "1"}, branch="trunk")
    repository.commit({"a": "2"}, branch="feature/dark-mode")
    repository.git("tag", "-a", "v1", "-m", "one")
    repository.commit({"a": "3"}, branch="alpha")
    subprocess.run(
        ["git", "-C", repository.path, "symbolic-ref", "HEAD", "refs/heads/trunk"], check=True, env=GIT_ENVIRONMENT
    )
    return repository


def add(address: str, name: str = "shop") -> Application:
    ada = builders.make_user(role=Role.ADMINISTRATOR)
    return adding_applications.add_application(name=name, repository=address, way=Access(), by=ada)


def over_ssh(git_host: OpenSSH, repository: Repository) -> Application:
    return add(f"ssh://{git_host.user}@127.0.0.1:{git_host.port}{repository.path}")


def trust(application: Application) -> None:
    host = host_keys.read_git_host(repository_host(application.repository))
    (key,) = repository_reach.shown_keys(application)
    host_keys.accept_git(host=host, key=key, by="ada")


def test_it_is_reached_by_its_own_key_once_the_git_host_is_trusted(git_host: OpenSSH, shop: Repository) -> None:
    application = over_ssh(git_host, shop)
    with pytest.raises(repositories.GitHostUnknown):
        repository_reach.reach(application)
    assert git_host.signed_in == 0
    trust(application)
    assert repository_reach.shown_keys(application) == []
    with pytest.raises(CannotReach) as refused:
        repository_reach.reach(application)
    assert refused.value.kind == "key-refused"
    assert "does not let the key of shop in" in refused.value.what
    (git_host.folder / "authorized_keys").write_text(deploy_keys.public_line(application) + "\n")
    reached = repository_reach.reach(application)
    assert (reached.default_branch, reached.branches, reached.tags) == (
        "trunk", ("trunk", "alpha", "feature/dark-mode"), 1
    )  # fmt: skip


def test_a_git_host_with_another_key_is_told(git_host: OpenSSH, shop: Repository) -> None:
    application = over_ssh(git_host, shop)
    host = host_keys.read_git_host(repository_host(application.repository))
    host_keys.accept_git(host=host, key=make_key(), by="ada")
    with pytest.raises(CannotReach) as refused:
        repository_reach.reach(application)
    assert refused.value.kind == "host-key-changed"
    (key,) = repository_reach.shown_keys(application)
    old = host_keys.in_the_way_git(host, key)
    assert old.startswith("SHA256:")
    host_keys.accept_git(host=host, key=key, by="ada", replace=old)
    with pytest.raises(CannotReach) as refused:
        repository_reach.reach(application)
    assert refused.value.kind == "key-refused"


def test_a_path_that_is_no_repository(git_host: OpenSSH, tmp_path: Path) -> None:
    application = add(f"ssh://{git_host.user}@127.0.0.1:{git_host.port}{tmp_path}/nothing.git")
    trust(application)
    (git_host.folder / "authorized_keys").write_text(deploy_keys.public_line(application) + "\n")
    with pytest.raises(CannotReach) as refused:
        repository_reach.reach(application)
    assert refused.value.kind == "not-found"


def test_a_repository_without_a_commit(tmp_path: Path, settings: Settings) -> None:
    settings.VAR, settings.REPOSITORY_ROOTS = tmp_path / "var", [tmp_path]
    (tmp_path / "git").mkdir()
    application = add(Repository(tmp_path / "git").url)
    with pytest.raises(CannotReach) as refused:
        repository_reach.reach(application)
    assert refused.value.kind == "empty"


def test_https_with_a_token_and_an_authority_of_ones_own(
    shop: Repository, tmp_path: Path, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.VAR = tmp_path / "var"
    ada = builders.make_user(role=Role.ADMINISTRATOR)

    def refused(application: Application) -> str:
        with pytest.raises(CannotReach) as error:
            repository_reach.reach(application)
        return error.value.kind

    with https_git(tmp_path, shop, user="reader", token="tok/en with+odd") as git:
        application = add(git.address(shop))
        assert refused(application) == "certificate"
        assert git.asked == []
        monkeypatch.setenv("GIT_SSL_CAINFO", str(git.authority))
        assert refused(application) == "token-refused"
        for user, token in (("reader", "wrong"), ("other", "tok/en with+odd")):
            adding_applications.change_repository(
                application, repository=application.repository, way=Access(user, token), by=ada
            )
            assert refused(application) == "token-refused"
        assert set(git.asked) == {"reader", "other"}
        adding_applications.change_repository(
            application, repository=application.repository, way=Access("reader", "tok/en with+odd"), by=ada
        )
        reached = repository_reach.reach(application)
        assert (reached.default_branch, reached.tags) == ("trunk", 1)
        assert repositories.resolve(application, "alpha") == shop.git("rev-parse", "HEAD")


def test_https_where_nobody_listens_and_a_name_that_nobody_knows(settings: Settings, tmp_path: Path) -> None:
    settings.VAR = tmp_path / "var"
    for address, kind in (
        (f"https://127.0.0.1:{closed_port()}/shop.git", "no-connection"),
        ("https://git.invalid/shop.git", "unknown-host"),
    ):
        with pytest.raises(CannotReach) as refused:
            repository_reach.reach(add(address, kind))
        assert refused.value.kind == kind
        assert refused.value.do


def test_a_server_that_shows_no_key_is_unreachable(settings: Settings) -> None:
    with pytest.raises(ssh.HostUnreachable):
        repository_reach.shown_keys(add(f"ssh://git@127.0.0.1:{closed_port()}/shop.git"))


@pytest.mark.parametrize(
    ("said", "kind"),
    [
        ("fatal: could not read Username for 'https://github.com': terminal prompts disabled", "token-refused"),
        ("remote: HTTP Basic: Access denied\nfatal: Authentication failed for 'https://…'", "token-refused"),
        ("fatal: unable to access 'https://…': The requested URL returned error: 403", "token-refused"),
        ("remote: Repository not found.\nfatal: repository 'https://…' not found", "not-found"),
        ("ERROR: Repository not found.\nfatal: Could not read from remote repository.", "not-found"),
        ("git@git.example.org: Permission denied (publickey).\nfatal: Could not read", "key-refused"),
        ("fatal: unable to access: SSL certificate problem: self-signed certificate", "certificate"),
        ("ssh: connect to host git.example.org port 22: Connection timed out", "no-connection"),
        ("ssh: Could not resolve hostname git.example.org: Name or service not known", "unknown-host"),
        ("fatal: the remote end hung up unexpectedly", "other"),
    ],
)
def test_what_git_says_is_understood(said: str, kind: str) -> None:
    error = repository_reach.explain(Application(name="shop", repository="git@git.example.org:shop.git"), said)
    assert error.kind == kind
    assert "{" not in str(error)


@pytest.mark.parametrize(
    ("address", "host"),
    [
        ("git@git.example.org:shop.git", "git.example.org"),
        ("ssh://git@git.example.org:2222/shop.git", "git.example.org"),
        ("https://git.example.org/shop.git", "git.example.org"),
    ],
)
def test_the_server_of_an_address(address: str, host: str) -> None:
    assert repository_reach.host_of(address) == host
