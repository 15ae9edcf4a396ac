"""The pages of setting up: who may, what they show, how much they ask of the database, what they refuse."""

import json
import re
from pathlib import Path

import pytest
from django.db import connection
from django.test import AsyncClient, Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from pytest_django import Settings

from environments import adding_hosts, host_lines
from environments.models import Application, Environment, GitHostKey, Host, HostKey, Role, Target, User
from environments.sealed import unseal
from tests import builders
from tests.deployments.fleet import closed_port
from tests.deployments.shop_pages import sign_in, text_of
from tests.environments.keys import make_key, trusted

pytestmark = pytest.mark.django_db
MOST_QUERIES = 15


@pytest.fixture(autouse=True)
def own_mirrors(tmp_path: Path, settings: Settings) -> None:
    settings.VAR = tmp_path / "var"


@pytest.fixture
def ada() -> User:
    return builders.make_user(username="ada", first_name="Ada", last_name="Nwosu", role=Role.ADMINISTRATOR)


@pytest.fixture
def client(ada: User) -> Client:
    return sign_in(ada)


@pytest.fixture
def shop(tmp_path: Path, settings: Settings) -> Application:
    settings.REPOSITORY_ROOTS = [tmp_path]
    files = {"Gemfile": "", "config.ru": "", "Gemfile.lock": "    passenger (6)\n", "README": "x"}
    builders.make_repository(tmp_path / "shop", files=files, branches=("feature/basket",))
    return builders.make_application(name="shop", repository=tmp_path / "shop")


@pytest.fixture
def production(ada: User) -> Environment:
    port = closed_port()
    lines = host_lines.read(f"deploy@127.0.0.1:{port} as web-1\nops@127.0.0.1:{port + 1} as web-2")
    return adding_hosts.add_hosts(lines, environment="production", by=ada).environment


def addresses() -> list[tuple[str, str]]:
    one = {"application": "shop", "environment": "production"}
    return [
        ("get", reverse("start")),
        ("get", reverse("add-application")),
        ("post", reverse("add-application")),
        ("get", reverse("connect-application", args=["shop"])),
        ("post", reverse("check-repository", args=["shop"])),
        ("post", reverse("read-repository", args=["shop"])),
        ("post", reverse("trust-git-host", args=["shop"])),
        ("post", reverse("choose-branch", args=["shop"])),
        ("post", reverse("renew-key", args=["shop"])),
        ("post", reverse("remove-application", args=["shop"])),
        ("get", reverse("add-hosts")),
        ("post", reverse("add-hosts")),
        ("get", reverse("check-hosts", args=["production"])),
        ("get", reverse("check-host", args=["production", "web-1"])),
        ("get", reverse("check-all-hosts", args=["production"])),
        ("post", reverse("trust-hosts", args=["production"])),
        ("post", reverse("paste-known-hosts", args=["production"])),
        ("post", reverse("use-key", args=["production"])),
        ("post", reverse("change-host", args=["production", "web-1"])),
        ("post", reverse("take-out-host", args=["production", "web-1"])),
        ("get", reverse("add-target")),
        ("post", reverse("add-target")),
        ("get", reverse("new-step")),
        ("get", reverse("check-folder")),
        ("get", reverse("edit-target", kwargs=one)),
        ("post", reverse("edit-target", kwargs=one)),
    ]


def test_only_administrators_may(shop: Application, production: Environment) -> None:
    deployer = sign_in(builders.make_user(role=Role.DEPLOYER))
    builders.make_target(application=shop, environment=production)
    for method, address in addresses():
        assert getattr(deployer, method)(address).status_code == 403, address
    assert (Application.objects.count(), Host.objects.count(), HostKey.objects.count()) == (1, 2, 0)


PAGES = {
    "start": "/start",
    "add-application": "/applications/add",
    "connect": "/applications/shop/repository",
    "add-hosts": "/hosts/add",
    "check-hosts": "/environments/production/hosts/check",
    "choose": "/targets/add",
    "target": "/targets/add?application=shop&environment=production",
}


def test_queries_do_not_grow(client: Client, shop: Application, production: Environment, ada: User) -> None:
    def grow(step: int, number: int) -> None:
        text = "\n".join(f"deploy@10.0.{step}.{last} via jump@10.9.9.{step}" for last in range(number))
        adding_hosts.add_hosts(host_lines.read(text), environment="production", by=ada)
        for _ in range(number):
            builders.make_deploy(target=builders.make_target(hosts=1))

    def count() -> dict[str, int]:
        counts = {}
        for which, page in PAGES.items():
            with CaptureQueriesContext(connection) as seen:
                assert client.get(page).status_code == 200
            counts[which] = len(seen)
        return counts

    grow(1, 1)
    count()  # the mirror is fetched once
    before = count()
    grow(2, 20)
    assert count() == before
    assert {which: number for which, number in before.items() if number > MOST_QUERIES} == {}


class TestApplication:
    def test_one_is_added_and_asked_live(
        self, client: Client, tmp_path: Path, settings: Settings, shop: Application
    ) -> None:
        made = client.post(reverse("add-application"), {"repository": shop.repository, "name": "second"})
        assert made.headers["Location"] == "/applications/second/repository"
        Application.objects.filter(name="second").update(default_branch="gone")
        html = client.post(reverse("check-repository", args=["second"])).content
        assert "Reached. 2 branches" in text_of(html)
        assert Application.objects.get(name="second").default_branch == "main"
        read = text_of(client.post(reverse("read-repository", args=["second"])).content)
        assert "It looks like Ruby" in read
        assert "4 files" in read

    def test_a_branch_that_was_chosen_stays(self, client: Client, shop: Application) -> None:
        client.post(reverse("read-repository", args=["shop"]))
        client.post(reverse("choose-branch", args=["shop"]), {"branch": "feature/basket"})
        client.post(reverse("check-repository", args=["shop"]))
        assert Application.objects.get().default_branch == "feature/basket"

    def test_what_cannot_be_is_said_beside_its_field(self, client: Client) -> None:
        answer = client.post(reverse("add-application"), {"repository": "http://x/y.git", "name": ""})
        assert answer.status_code == 422
        assert 'aria-describedby="repository-wrong"' in answer.content.decode()
        assert "Use https://" in text_of(answer.content)

    def test_an_unreachable_one_says_what_to_do(self, client: Client) -> None:
        port = closed_port()
        client.post(reverse("add-application"), {"repository": f"https://127.0.0.1:{port}/shop.git"})
        html = client.post(reverse("check-repository", args=["shop"])).content.decode()
        assert 'data-trouble="no-connection"' in html
        client.post(
            reverse("connect-application", args=["shop"]), {"repository": f"ssh://git@127.0.0.1:{port}/shop.git"}
        )
        html = client.post(reverse("check-repository", args=["shop"])).content.decode()
        assert 'data-trouble="no-connection"' in html
        assert "deployer-shop" in client.get(reverse("connect-application", args=["shop"])).content.decode()

    def test_a_git_host_is_trusted_by_the_key_that_was_shown(self, client: Client, ada: User) -> None:
        client.post(reverse("add-application"), {"repository": "git@git.example.org:shop.git"})
        key, address = make_key(), reverse("trust-git-host", args=["shop"])
        for wrong in ("", "ssh-ed25519", f"ssh-rsa {key.key}", "ssh-ed25519 x"):
            client.post(address, {"key": wrong})
        assert not GitHostKey.objects.exists()
        client.post(address, {"key": f"ssh-ed25519 {key.key}"})
        row = GitHostKey.objects.get()
        assert (row.host, row.key, row.accepted_by) == ("git.example.org", key.key, "ada")
        other = make_key()
        client.post(address, {"key": f"ssh-ed25519 {other.key}"})
        assert GitHostKey.objects.get().key == key.key
        client.post(address, {"key": f"ssh-ed25519 {other.key}", "replace": "yes"})
        assert GitHostKey.objects.get().key == other.key

    def test_secrets_are_never_shown(self, client: Client) -> None:
        facts = {"repository": "https://127.0.0.1:1/shop.git", "https_user": "bot", "https_token": "s3cret-word"}
        client.post(reverse("add-application"), facts)
        html = client.get(reverse("connect-application", args=["shop"])).content.decode()
        assert "s3cret-word" not in html
        assert "bot" in html

    def test_one_without_targets_can_be_taken_back(self, client: Client, shop: Application) -> None:
        target = builders.make_target(application=shop)
        assert "Remove those first" in text_of(
            client.post(reverse("remove-application", args=["shop"]), follow=True).content
        )
        target.delete()
        client.post(reverse("remove-application", args=["shop"]))
        assert not Application.objects.exists()


@pytest.mark.django_db(transaction=True)
async def test_all_hosts_are_looked_at_by_one_request(production: Environment, ada: User) -> None:
    client = AsyncClient()
    await client.aforce_login(ada)
    answered = await client.get(reverse("check-all-hosts", args=["production"]))
    assert answered.headers["Content-Type"] == "application/x-ndjson"
    pieces = [piece async for piece in answered.streaming_content]  # type: ignore[attr-defined]
    rows = [json.loads(piece) for piece in pieces]
    assert {row["host"] for row in rows} == {"web-1", "web-2"}
    for row in rows:
        assert f'data-host="{row["host"]}" data-state="bad"' in row["row"]
        assert 'data-trouble="unreachable"' in row["row"]


class TestHosts:
    def test_lines_that_are_none_are_told_and_nothing_is_added(self, client: Client) -> None:
        answer = client.post(reverse("add-hosts"), {"hosts": "deploy@web-1\nweb 2", "environment": "production"})
        assert answer.status_code == 422
        assert "Line 2:" in text_of(answer.content)
        assert "deploy@web-1" in answer.content.decode()
        assert not Host.objects.exists()
        assert client.post(reverse("add-hosts"), {"hosts": "# nothing"}).status_code == 422
        assert client.post(reverse("add-hosts"), {"hosts": "a@b", "environment": "Pro d"}).status_code == 422

    def test_only_the_keys_that_were_confirmed_are_trusted(self, client: Client, production: Environment) -> None:
        one, two = Host.objects.order_by("name")
        keys = [make_key(), make_key()]
        shown = [f"{host.name} ssh-ed25519 {key.key}" for host, key in zip((one, two), keys, strict=True)]
        address = reverse("trust-hosts", args=["production"])
        client.post(address, {"key": shown, "only": "web-2"})
        assert (trusted(one), trusted(two)) == (set(), {keys[1].key})
        client.post(address, {"key": shown})
        assert trusted(one) == {keys[0].key}
        other = make_key()
        client.post(address, {"key": f"web-1 ssh-ed25519 {other.key}"})
        assert trusted(one) == {keys[0].key}, "replaced without having been told to"
        client.post(address, {"key": f"web-1 ssh-ed25519 {other.key}", "replace": "web-1"})
        assert trusted(one) == {other.key}

    @pytest.mark.parametrize(
        "key", ["", "web-1", "web-1 ssh-ed25519", "web-1 ssh-ed25519 AAAA", "nobody ssh-ed25519 x"]
    )
    def test_a_key_that_is_none_is_not_trusted(self, key: str, client: Client, production: Environment) -> None:
        assert client.post(reverse("trust-hosts", args=["production"]), {"key": key}).status_code in (302, 404)
        assert not HostKey.objects.exists()

    def test_a_known_hosts_file_is_taken(self, client: Client, production: Environment) -> None:
        one, key = Host.objects.get(name="web-1"), make_key()
        line = f"[127.0.0.1]:{one.port} ssh-ed25519 {key.key}"
        answer = client.post(reverse("paste-known-hosts", args=["production"]), {"known_hosts": line}, follow=True)
        assert "web-1 trusted as that file says. It does not name web-2." in text_of(answer.content)
        assert trusted(one) == {key.key}

    def test_a_row_says_what_is_wrong(self, client: Client, production: Environment) -> None:
        html = client.get(reverse("check-host", args=["production", "web-1"])).content.decode()
        assert 'data-state="bad"' in html
        assert 'data-trouble="unreachable"' in html
        html = client.get(reverse("check-host", args=["production", "web-1"]), {"root": "/"}).content.decode()
        assert "at least two folders deep" in html

    def test_a_line_is_corrected(self, client: Client, production: Environment) -> None:
        address = reverse("change-host", args=["production", "web-1"])
        client.post(address, {"place": "ops@10.0.0.9:2200"})
        assert list(Host.objects.filter(name="web-1").values_list("user", "address", "port")) == [
            ("ops", "10.0.0.9", 2200)
        ]
        for wrong in ("", "x y", "a@b\nc@d", "a@b via c@d"):
            assert "Line" in text_of(client.post(address, {"place": wrong}, follow=True).content)
        client.post(reverse("take-out-host", args=["production", "web-1"]))
        assert not Host.objects.filter(name="web-1").exists()

    def test_a_key_of_ones_own_is_refused_with_a_sentence(self, client: Client, production: Environment) -> None:
        answer = client.post(reverse("use-key", args=["production"]), {"private": "nonsense"}, follow=True)
        assert "cannot be read" in text_of(answer.content)
        assert "nonsense" not in answer.content.decode()


class TestTarget:
    def form(self, client: Client) -> dict[str, object]:
        """The proposal as a browser would send it back."""
        html = client.get(reverse("add-target"), {"application": "shop", "environment": "production"}).content.decode()
        numbers = re.findall(r'name="step" value="(\d+)"', html)
        facts: dict[str, object] = {
            "application": "shop", "environment": "production", "root": "~/shop", "user": "deploy", "keep": "5",
            "linked_dirs": "log\n tmp/pids/\n\n", "step": numbers,
        }  # fmt: skip
        for name, value in re.findall(r'name="(step-\d+-(?:preset|name))"[^>]* value="([^"]*)"', html):
            facts[name] = value
        return facts

    def test_what_is_found_is_proposed_and_saved_as_it_was_chosen(
        self, client: Client, shop: Application, production: Environment
    ) -> None:
        facts = self.form(client)
        assert [facts[f"step-{number}-name"] for number in "01"] == ["bundle", "restart"]
        facts |= {"step": ["1", "7", "0"], "step-1-taken": "yes", "step-1-p-file": "tmp/restart.txt"}
        facts |= {"step-7-taken": "yes", "step-7-preset": "command", "step-7-name": "smoke"}
        facts |= {"step-7-command": "bin/smoke\r\ntrue", "step-7-phase": "after", "step-7-time_limit": "60"}
        answer = client.post(reverse("add-target"), facts)
        assert answer.headers["Location"] == "/start"
        target = Target.objects.get()
        assert (target.root, target.user, target.linked_dirs) == ("~/shop", "deploy", ["log", "tmp/pids"])
        assert [(step.name, step.phase, step.command) for step in target.steps.all()] == [
            ("restart", "restart", ""),
            ("smoke", "after", "bin/smoke\ntrue"),
        ]
        again = client.get(reverse("add-target"), {"application": "shop", "environment": "production"})
        assert again.headers["Location"] == "/shop/production/edit"

    def test_what_is_wrong_is_marked_and_nothing_typed_is_lost(
        self, client: Client, shop: Application, production: Environment
    ) -> None:
        facts = self.form(client) | {
            "root": "/",
            "step-1-taken": "yes",
            "step-1-p-file": "../x",
            "step-0-command": "own",
        }
        answer = client.post(reverse("add-target"), facts)
        html = answer.content.decode()
        assert answer.status_code == 422
        assert "2 things cannot be so" in text_of(answer.content)
        assert "at least two folders deep" in html
        assert "without `..`" in html or "without <code>..</code>" in html
        assert "own" in html, "an untaken step was lost"
        assert not Target.objects.exists()

    def test_it_is_changed_by_the_same_form(self, client: Client, shop: Application, production: Environment) -> None:
        builders.make_target(application=shop, environment=production, root="/srv/shop", user="deploy")
        address = reverse("edit-target", args=["shop", "production"])
        assert 'value="/srv/shop"' in client.get(address).content.decode()
        answer = client.post(address, {"root": "/srv/other", "user": "ops", "keep": "7"})
        assert answer.headers["Location"] == "/shop/production/"
        assert list(Target.objects.values_list("root", "user", "keep")) == [("/srv/other", "ops", 7)]
        assert client.post(address, {"root": "/", "user": "ops", "keep": "7"}).status_code == 422

    def test_a_repository_that_cannot_be_read_is_no_end(self, client: Client, production: Environment) -> None:
        builders.make_application(name="far", repository=f"https://127.0.0.1:{closed_port()}/far.git")
        answer = client.get(reverse("add-target"), {"application": "far", "environment": "production"})
        assert "Nothing could be proposed." in text_of(answer.content)

    def test_a_card_for_each_preset(self, client: Client) -> None:
        html = client.get(reverse("new-step"), {"preset": "restart-systemd", "number": "3"}).content.decode()
        assert 'name="step-3-p-units"' in html
        assert client.get(reverse("new-step"), {"preset": "nonsense", "number": "3"}).status_code == 404
        assert client.get(reverse("new-step"), {"preset": "command", "number": "x"}).status_code == 404

    def test_the_folder_is_looked_at_on_each_host(self, client: Client, production: Environment) -> None:
        facts = {"environment": "production", "application": "shop", "root": "/srv/shop", "user": "deploy"}
        html = client.get(reverse("check-folder"), facts).content.decode()
        assert html.count('data-state="asking"') == 2
        assert "root=%2Fsrv%2Fshop" in html


class TestEmptyStates:
    """Where something is missing, its page leads an administrator to where it is added, and nobody else."""

    def links(self, user: User, address: str) -> set[str]:
        answer = sign_in(user).get(address)
        assert answer.status_code == 200
        return set(
            re.findall(r'href="(/(?:targets|hosts|applications)/add[^"]*|/[^"]*/edit)"', answer.content.decode())
        )

    def test_each_says_what_to_do_first(self, ada: User) -> None:
        viewer = builders.make_user(role=Role.VIEWER)
        shop = builders.make_application(name="shop")
        place = builders.make_environment(name="production")
        assert self.links(ada, "/hosts") >= {"/hosts/add"}
        assert self.links(ada, "/environments/production") == {
            "/hosts/add?environment=production",
            "/targets/add?environment=production",
        }
        builders.make_target(application=shop, environment=place)
        assert self.links(ada, "/shop/production/") >= {"/hosts/add?environment=production", "/shop/production/edit"}
        for address in ("/hosts", "/environments/production", "/shop/production/"):
            assert self.links(viewer, address) == set()


def test_how_code_gets_to_hosts_is_said_on_the_page_of_the_repository(client: Client) -> None:
    shop = builders.make_application(name="shop")
    address, page = reverse("change-distribution", args=["shop"]), reverse("connect-application", args=["shop"])
    ada, mia = builders.make_user(role=Role.ADMINISTRATOR), builders.make_user(role=Role.MAINTAINER)
    client.force_login(ada)
    wrong = client.post(address, {"distribution": "artifact", "build_time_limit": "60"})
    assert (wrong.status_code, "with {sha} in it" in wrong.content.decode()) == (422, True)
    url = "https://builds.example.org/{sha}.tar.gz"
    said = {"distribution": "artifact", "artifact_url": url, "artifact_token": "canary", "build_time_limit": "60"}
    assert client.post(address, said).status_code == 302
    shop.refresh_from_db()
    assert (shop.distribution, shop.artifact_url, shop.build_time_limit) == ("artifact", url, 60)
    assert unseal(shop.artifact_token) == "canary"
    html = client.get(page).content.decode()
    assert url in html
    assert "canary" not in html
    client.force_login(mia)
    client.post(address, {"distribution": "archive", "build_command": "id", "build_time_limit": "60"})
    shop.refresh_from_db()
    assert (shop.distribution, shop.build_command) == ("artifact", "")  # what runs on workers, administrators say
    client.post(address, {"distribution": "git", "artifact_url": url, "build_time_limit": "60"})
    shop.refresh_from_db()
    assert shop.distribution == "git"
