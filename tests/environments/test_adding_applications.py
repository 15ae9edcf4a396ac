"""Adding an application, and changing where its repository lies."""

import pytest
from django.conf import settings

from environments import adding_applications, deploy_keys
from environments.access import NotAllowed
from environments.adding_applications import Access, ApplicationInUse, ApplicationTaken, ApplicationWrong
from environments.deploy_key_forms import page_of_keys
from environments.models import Application, Role, User
from environments.sealed import unseal
from notifications.models import Event
from tests import builders

pytestmark = [pytest.mark.both_databases, pytest.mark.django_db]
NOBODY = Access()


@pytest.fixture
def ada() -> User:
    return builders.make_user(username="ada", role=Role.ADMINISTRATOR)


def add(repository: str, by: User, name: str = "", way: Access = NOBODY) -> Application:
    return adding_applications.add_application(name=name, repository=repository, way=way, by=by)


def test_one_over_ssh_gets_a_key_of_its_own(ada: User) -> None:
    one = add("git@git.example.org:shop/Shop_Front.git", ada)
    two = add("ssh://git@git.example.org:2222/shop/prices", ada)
    assert (one.name, two.name) == ("shop-front", "prices")
    lines = {deploy_keys.public_line(it) for it in (one, two)}
    assert len(lines) == 2
    assert deploy_keys.public_line(one).endswith(" deployer-shop-front")
    assert "PRIVATE" not in one.deploy_key
    assert unseal(one.deploy_key).startswith("-----BEGIN OPENSSH PRIVATE KEY-----")
    assert Event.objects.filter(kind="application.added").values_list("facts", flat=True)[0].keys() == {"repository"}


def test_one_over_https_gets_none_and_its_token_is_sealed(ada: User) -> None:
    one = add("https://git.example.org/shop.git", ada, way=Access("bot", "s3cret-token"))
    assert (one.deploy_key, one.https_user, unseal(one.https_token)) == ("", "bot", "s3cret-token")
    assert "s3cret" not in one.https_token + str(list(Event.objects.values_list("facts", flat=True)))


@pytest.mark.parametrize(
    ("address", "kept"),
    [
        (" git clone git@github.com:shop/shop.git ", "git@github.com:shop/shop.git"),
        ("https://github.com/shop/shop/tree/main/app", "https://github.com/shop/shop"),
        ("https://gitlab.com/group/sub/shop/-/tree/main", "https://gitlab.com/group/sub/shop"),
        ("https://git.example.org/shop/tree/x.git", "https://git.example.org/shop/tree/x.git"),
    ],
)
def test_addresses_as_people_have_them(address: str, kept: str) -> None:
    assert adding_applications.read_address(address) == kept


@pytest.mark.parametrize(
    ("address", "told"),
    [
        ("", "Paste the address"),
        ("http://git.example.org/shop.git", "http:// lets everybody read"),
        ("https://bot:token@git.example.org/shop.git", "Credentials do not belong"),
        ("file:///srv/git/shop.git", "REPOSITORY_ROOTS"),
        ("ext::sh -c x", "no address"),
        ("--upload-pack=x", "no address"),
    ],
)
def test_an_address_that_cannot_be_is_explained(address: str, told: str, ada: User) -> None:
    assert settings.REPOSITORY_ROOTS == []
    with pytest.raises(ApplicationWrong) as refused:
        add(address, ada)
    assert told in refused.value.problems["repository"]
    assert not Application.objects.exists()


@pytest.mark.parametrize("name", ["Shop", "settings", "a b", "-"])
def test_a_name_that_cannot_be_is_explained(name: str, ada: User) -> None:
    with pytest.raises(ApplicationWrong) as refused:
        add("https://git.example.org/shop.git", ada, name=name)
    assert set(refused.value.problems) == {"name"}


def test_a_name_is_given_once(ada: User) -> None:
    add("https://git.example.org/shop.git", ada)
    with pytest.raises(ApplicationTaken, match="shop"):
        add("https://git.example.org/other.git", ada, name="shop")


def test_a_token_is_never_sent_to_another_server(ada: User) -> None:
    one = add("https://git.example.org/shop.git", ada, way=Access("bot", "s3cret"))

    def change(repository: str, way: Access = NOBODY) -> str:
        adding_applications.change_repository(one, repository=repository, way=way, by=ada)
        one.refresh_from_db()
        return unseal(one.https_token)

    assert change("https://git.example.org/shop-2.git") == "s3cret"
    assert change("https://elsewhere.example.org/shop.git") == ""
    assert change("https://git.example.org/shop.git", Access("", "other")) == "other"


def test_a_change_to_ssh_makes_a_key_and_a_new_one_is_another(ada: User) -> None:
    one = add("https://git.example.org/shop.git", ada)
    adding_applications.change_repository(one, repository="git@git.example.org:shop.git", way=NOBODY, by=ada)
    before = deploy_keys.public_line(one)
    adding_applications.renew_key(one, by=ada)
    one.refresh_from_db()
    assert before
    assert deploy_keys.public_line(one) not in ("", before)


def test_a_branch_is_taken_once(ada: User) -> None:
    one = add("https://git.example.org/shop.git", ada)
    adding_applications.take_branch(one, "main", by=ada)
    assert not Event.objects.filter(kind="application.changed").exists()
    adding_applications.take_branch(one, "trunk", by=ada)
    assert Application.objects.get().default_branch == "trunk"
    with pytest.raises(ApplicationWrong):
        adding_applications.take_branch(one, "--output=x", by=ada)


def test_one_with_targets_is_not_removed(ada: User) -> None:
    one = add("https://git.example.org/shop.git", ada)
    target = builders.make_target(application=one)
    with pytest.raises(ApplicationInUse):
        adding_applications.remove_application(one, by=ada)
    target.delete()
    adding_applications.remove_application(one, by=ada)
    assert not Application.objects.exists()


def test_only_administrators_may(ada: User) -> None:
    one = add("https://git.example.org/shop.git", ada)
    vera = builders.make_user(role=Role.DEPLOYER)
    for verb in (
        lambda: add("https://git.example.org/x.git", vera),
        lambda: adding_applications.change_repository(one, repository="https://x.example/y", way=NOBODY, by=vera),
        lambda: adding_applications.take_branch(one, "x", by=vera),
        lambda: adding_applications.renew_key(one, by=vera),
        lambda: adding_applications.remove_application(one, by=vera),
    ):
        with pytest.raises(NotAllowed):
            verb()


@pytest.mark.parametrize(
    ("repository", "page"),
    [
        ("git@github.com:shop/front.git", "https://github.com/shop/front/settings/keys/new"),
        ("ssh://git@bitbucket.org/shop/front.git", "https://bitbucket.org/shop/front/admin/access-keys/"),
        ("ssh://git@github.com:443/shop/front.git", "https://github.com/shop/front/settings/keys/new"),
        ("git@git.example.org:shop/front.git", ""),
        ("https://github.com/shop/front.git", ""),
    ],
)
def test_where_a_key_is_added(repository: str, page: str) -> None:
    assert page_of_keys(repository) == page
