"""What git never sees: refs and addresses that it could take for an option, a helper, or a file of somebody else's."""

from pathlib import Path

import pytest
from pytest_django import Settings

from environments import repositories
from environments.models import Application
from environments.repositories import RefNotFound, RepositoryRefused
from tests.repository import Repository


@pytest.mark.parametrize(
    "ref",
    [
        "--upload-pack=touch /tmp/p",
        "-oProxyCommand=x",
        "-main",
        "ext::sh -c id",
        "refs/../../x",
        "@{u}",
        "main@{1}",
        "HEAD@{yesterday}",
        "a..b",
        "a...b",
        "main^",
        "main~1",
        "main:a",
        "^main",
        ":/fix",
        "a b",
        "a\nb",
        "a\x00b",
        "$(id)",
        "`id`",
        "a;id",
        "a\uff1bid",
        "*",
        "",
        "a" * 300,
        ".hidden",
        "a/.b",
        "a.lock",
        "a//b",
        "a/",
    ],
)
def test_git_never_sees_a_ref_that_is_none(ref: str, elsewhere: Application, fake_git: Path) -> None:
    with pytest.raises(RefNotFound, match="is no name of a branch, tag or commit"):
        repositories.resolve(elsewhere, ref)
    assert not fake_git.exists()


@pytest.mark.parametrize(
    "address",
    [
        "ext::sh -c touch% /tmp/p",
        "fd::17",
        "transport::https://git.example.org/x.git",
        "ssh://-oProxyCommand=touch /tmp/p/x",
        "ssh://-oProxyCommand=x/y.git",
        "ssh://git@-oProxyCommand=x/y.git",
        "-oProxyCommand=x@host:y",
        "git@-host:y.git",
        "git@host:-y.git ",
        "--upload-pack=touch /tmp/p",
        "git://git.example.org/x.git",
        "http://git.example.org/x.git",
        "ftp://git.example.org/x.git",
        "/srv/git/x.git",
        "../x.git",
        "x.git",
        "file://host/srv/x.git",
        "file:///srv/../etc/x.git",
        "https://user:password@git.example.org/x.git",
        "https://git.example.org/x.git?a=b",
        "https://git.example.org/x.git#a",
        "https://git.example.org/$(id).git",
        "https://git.example.org/x.git\n--upload-pack=x",
        "",
    ],
)
def test_git_never_sees_an_address_that_is_not_allowed(address: str, elsewhere: Application, fake_git: Path) -> None:
    elsewhere.repository = address
    with pytest.raises(RepositoryRefused):
        repositories.resolve(elsewhere, "main")
    assert not fake_git.exists()


@pytest.mark.parametrize("way", ["outside", "by a link"])
def test_git_never_sees_a_file_outside_of_the_roots(
    way: str, application: Application, shop: Repository, fake_git: Path, tmp_path: Path, settings: Settings
) -> None:
    settings.REPOSITORY_ROOTS = [tmp_path / "allowed"]
    (tmp_path / "allowed").mkdir()
    (tmp_path / "allowed" / "link.git").symlink_to(shop.path)
    application.repository = shop.url if way == "outside" else f"file://{tmp_path}/allowed/link.git"
    with pytest.raises(RepositoryRefused, match="outside the folders that REPOSITORY_ROOTS allows"):
        repositories.resolve(application, "main")
    assert not fake_git.exists()
