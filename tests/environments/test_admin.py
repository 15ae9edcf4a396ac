"""The admin: opened by role, showing no secret, writing no history."""

from collections.abc import Iterator
from typing import Any

import pytest
from django.contrib import admin
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from deployments.models import Deploy, HeldRelease, HostRun, LogChunk, Program, Standing, Worker
from environments.models import Application, HostKey, KeyPair, Role, Step, Token, User
from environments.sealed import seal, unseal
from notifications import events
from notifications.models import Event
from tests.builders import (
    PUBLIC_KEY,
    make_application,
    make_deploy,
    make_host,
    make_lines,
    make_placement,
    make_run,
    make_step,
    make_target,
    make_token,
    make_user,
)

pytestmark = pytest.mark.django_db
MODELS = sorted(admin.site._registry, key=lambda model: model._meta.label)
WRITTEN_BY_VERBS = {Deploy, HostRun, Program, LogChunk, Standing, HeldRelease, Worker, Event}
CANARY = "canary-9d1f"


@pytest.fixture
def client() -> Client:
    """An administrator by role; neither staff nor superuser."""
    found = Client()
    found.force_login(make_user(username="ada", role=Role.ADMINISTRATOR))
    return found


@pytest.fixture
def everything() -> None:
    """A row of each model."""
    app = make_application(name="shop", deploy_key=seal(CANARY), https_token=seal(CANARY))
    target = make_target(application=app)
    make_step(target=target)
    host = make_host(environment=target.environment, key=PUBLIC_KEY)
    deploy = make_deploy(target=target)
    run = make_run(deploy=deploy, host=host)
    Program.objects.create(run=run, phase="prepare", nonce=CANARY)
    place = make_placement(host=host, target=target, current=deploy.release)
    assert deploy.release
    HeldRelease.objects.create(placement=place, release=deploy.release)
    make_lines(deploy=deploy, texts=["a line"])
    KeyPair.objects.create(public="ssh-ed25519 AAAA deployer", private=seal(CANARY))
    make_token()
    Worker.objects.create(name="worker", boot="boot", renewed_at=1)
    events.record("signed_in", "ada")


def pages(action: str, model: Any) -> str:
    return f"admin:{model._meta.app_label}_{model._meta.model_name}_{action}"


def sealed_texts() -> Iterator[str]:
    shop = Application.objects.get(name="shop")
    yield from (shop.deploy_key, shop.https_token, KeyPair.objects.get().private, Token.objects.get().digest)


def test_all_our_models_are_there() -> None:
    labels = {model._meta.label for model in MODELS}
    assert {"environments.Application", "deployments.Deploy", "notifications.Event", "environments.Token"} <= labels
    assert "auth.Group" not in labels


@pytest.mark.parametrize("role", [Role.VIEWER, Role.DEPLOYER])
def test_others_than_administrators_are_kept_out(role: str) -> None:
    client = Client()
    client.force_login(make_user(role=role, is_staff=True))
    assert client.get("/admin/").status_code == 403
    assert client.get(reverse(pages("changelist", Application))).status_code == 403


@pytest.mark.usefixtures("everything")
@pytest.mark.parametrize("model", MODELS, ids=lambda model: model._meta.label)
def test_an_administrator_sees_every_list_and_row_and_no_secret(model: Any, client: Client) -> None:
    assert client.get("/admin/").status_code == 200
    listing = client.get(reverse(pages("changelist", model)), {"q": "1"})
    assert listing.status_code == 200
    shown = [client.get(reverse(pages("changelist", model))).content.decode()]
    for row in model.objects.all():
        page = client.get(reverse(pages("change", model), args=[row.pk]))
        assert page.status_code == 200
        shown.append(page.content.decode())
    assert CANARY not in "".join(shown)
    assert not [text for text in sealed_texts() if text in "".join(shown)]


@pytest.mark.usefixtures("everything")
@pytest.mark.parametrize("model", sorted(WRITTEN_BY_VERBS, key=str), ids=lambda model: model._meta.label)
def test_what_verbs_write_is_only_read(model: Any, client: Client) -> None:
    assert client.get(reverse(pages("add", model))).status_code == 403
    for row in model.objects.all():
        address = reverse(pages("change", model), args=[row.pk])
        assert client.post(address, {"status": "succeeded"}).status_code == 403
        assert client.post(reverse(pages("delete", model), args=[row.pk]), {"post": "yes"}).status_code == 403
    ids = [str(row.pk) for row in model.objects.all()]
    body = {"action": "delete_selected", "_selected_action": ids, "post": "yes"}
    client.post(reverse(pages("changelist", model)), body)
    assert ids
    assert [str(row.pk) for row in model.objects.all()] == ids


@pytest.mark.usefixtures("everything")
def test_a_large_table_is_not_counted(client: Client) -> None:
    for model in (LogChunk, Event, HostRun):
        with CaptureQueriesContext(
            connection,
        ) as queries:
            client.get(reverse(pages("changelist", model)))
        table = model._meta.db_table
        counts = [query["sql"] for query in queries if "COUNT(" in query["sql"] and f'"{table}"' in query["sql"]]
        assert counts
        assert all("LIMIT 10000" in count for count in counts)


class TestApplication:
    """Secrets are written, never shown."""

    def save(self, client: Client, **fields: str) -> Application:
        shop = Application.objects.get(name="shop")
        form = {
            "name": "shop",
            "repository": "https://git.example/shop.git",
            "default_branch": "main",
            "distribution": "archive",
            "https_user": "robot",
        }
        answer = client.post(reverse(pages("change", Application), args=[shop.pk]), form | fields)
        assert answer.status_code == 302, answer.content.decode()
        shop.refresh_from_db()
        return shop

    @pytest.mark.usefixtures("everything")
    def test_what_is_typed_is_sealed(self, client: Client) -> None:
        key = "-----BEGIN OPENSSH PRIVATE KEY-----\nabc\n-----END OPENSSH PRIVATE KEY-----\n"
        shop = self.save(client, new_https_token="new-token", new_deploy_key=key.replace("\n", "\r\n"))
        assert "new-token" not in shop.https_token
        assert (unseal(shop.https_token), unseal(shop.deploy_key)) == ("new-token", key)

    @pytest.mark.usefixtures("everything")
    def test_what_is_left_empty_stays(self, client: Client) -> None:
        shop = self.save(client)
        assert (unseal(shop.https_token), unseal(shop.deploy_key)) == (CANARY, CANARY)

    @pytest.mark.usefixtures("everything")
    def test_it_can_be_forgotten(self, client: Client) -> None:
        shop = self.save(client, forget_secrets="on")
        assert (shop.https_token, shop.deploy_key) == ("", "")

    def test_a_repository_that_is_none_is_refused(self, client: Client) -> None:
        form = {"name": "x", "repository": "ext::sh -c id", "default_branch": "main", "distribution": "archive"}
        answer = client.post(reverse(pages("add", Application)), form)
        assert answer.status_code == 200
        assert not Application.objects.exists()


def test_a_role_is_given_and_nothing_more(client: Client) -> None:
    user = make_user(username="bob", role=Role.VIEWER)
    form = {"username": "bob", "role": "deployer", "is_active": "on", "is_superuser": "on", "is_staff": "on"}
    assert client.post(reverse(pages("change", User), args=[user.pk]), form).status_code == 302
    user.refresh_from_db()
    assert (user.role, user.is_superuser, user.is_staff) == (Role.DEPLOYER, False, False)


def test_a_person_is_added(client: Client) -> None:
    form = {
        "username": "new",
        "usable_password": "true",
        "password1": "correct horse 9",
        "password2": "correct horse 9",
        "role": "deployer",
    }
    assert client.post(reverse(pages("add", User)), form).status_code == 302
    user = User.objects.get(username="new")
    assert user.check_password("correct horse 9")
    assert user.role == Role.DEPLOYER


def test_deleting_a_token_revokes_it_and_tells(client: Client) -> None:
    make_token(user=make_user(username="ci"))
    token = Token.objects.get()
    assert client.post(reverse(pages("delete", Token), args=[token.pk]), {"post": "yes"}).status_code == 302
    assert not Token.objects.exists()
    assert Event.objects.get(kind="token.revoked").actor == "ada"


def test_a_host_key_is_removed_but_not_typed_in(client: Client) -> None:
    make_host(key=PUBLIC_KEY)
    key = HostKey.objects.get()
    assert client.get(reverse(pages("add", HostKey))).status_code == 403
    body = {"action": "delete_selected", "_selected_action": str(key.pk), "post": "yes"}
    assert client.post(reverse(pages("changelist", HostKey)), body).status_code == 302
    assert not HostKey.objects.exists()


def test_history_cannot_be_deleted_through_its_target(client: Client) -> None:
    deploy = make_deploy()
    address = reverse("admin:environments_target_delete", args=[deploy.target_id])
    client.post(address, {"post": "yes"})
    assert Deploy.objects.filter(pk=deploy.pk).exists()


class TestStep:
    def add(self, client: Client, **fields: str) -> Any:
        form = {"target": str(make_target().pk), "position": "1", "name": "migrate", "roles": "[]", "parameters": "{}"}
        return client.post(reverse(pages("add", Step)), form | fields)

    def test_what_is_left_empty_is_taken_from_the_preset(self, client: Client) -> None:
        assert self.add(client, preset="database-migration", parameters='{"command": "up"}').status_code == 302
        step = Step.objects.get()
        found = (step.phase, step.time_limit, step.silence_limit, step.sudo, step.repeatable)
        assert found == ("once", 3600, 900, False, False)

    def test_what_is_said_is_kept(self, client: Client) -> None:
        said = {"phase": "after", "time_limit": "9", "silence_limit": "8", "sudo": "yes", "repeatable": "no"}
        assert self.add(client, preset="command", command="true", parameters="", roles="", **said).status_code == 302
        step = Step.objects.get()
        found = (step.phase, step.time_limit, step.silence_limit, step.sudo, step.repeatable)
        assert found == ("after", 9, 8, True, False)
        page = client.get(reverse(pages("change", Step), args=[step.pk])).content.decode()
        assert '<option value="no" selected>' in page

    def test_a_wrong_parameter_is_told_at_its_field(self, client: Client) -> None:
        answer = self.add(client, preset="restart-systemd", parameters='{"unit": "x"}')
        assert answer.status_code == 200
        assert "did you mean &#x27;units&#x27;" in answer.content.decode()

    def test_the_form_says_what_presets_ask_for(self, client: Client) -> None:
        page = client.get(reverse(pages("add", Step))).content.decode()
        assert "<dt><b>restart-systemd</b></dt>" in page
