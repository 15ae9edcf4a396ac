"""Setting up secret stores and letting values refer to them: by verbs, API and pages; only administrators."""

import json
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from environments.access import NotAllowed
from environments.configuration import changing, referring
from environments.configuration.errors import ValueRefused
from environments.configuration.scopes import Scope
from environments.models import ConfigurationValue, Role, SecretStore, Target, User
from environments.sealed import unseal
from environments.secret_stores import keeping
from environments.secret_stores.errors import NoSuchStore, NotFetched, StoreInUse, StoreTaken, StoreWrong
from environments.secret_stores.keeping import Plan
from environments.secret_stores.references import Reference
from notifications.models import Event
from notifications.sentences import tell
from tests import builders
from tests.environments.secret_stores.vault import serving

pytestmark = pytest.mark.django_db
CREDENTIAL = "hvs.canary-credential"
VAULT = {"address": "https://vault.example.com:8200", "mount": "kv"}


@pytest.fixture
def ada() -> User:
    return builders.make_user(username="ada", role=Role.ADMINISTRATOR)


@pytest.fixture
def mia() -> User:
    return builders.make_user(username="mia", role=Role.MAINTAINER)


@pytest.fixture
def target() -> Target:
    place = builders.make_environment(name="staging")
    return builders.make_target(application=builders.make_application(name="shop"), environment=place)


@pytest.fixture
def vault(ada: User) -> SecretStore:
    return keeping.add(Plan("vault", "vault", VAULT, CREDENTIAL), by=ada)


def client_of(user: User) -> Client:
    client = Client()
    client.force_login(user)
    return client


def test_a_store_is_kept_with_its_credential_sealed(vault: SecretStore, ada: User) -> None:
    assert (unseal(vault.secret), CREDENTIAL in vault.secret) == (CREDENTIAL, False)
    keeping.change(vault, Plan("vault", settings=VAULT | {"mount": "other"}), by=ada)
    vault.refresh_from_db()
    assert (unseal(vault.secret), vault.settings["mount"]) == (CREDENTIAL, "other")
    with pytest.raises(StoreTaken):
        keeping.add(Plan("command", "vault", {"command": "/bin/true"}), by=ada)
    told = [tell(event).text for event in Event.objects.order_by("pk")]
    assert told == ["ada set up the secret store vault.", "ada changed how the secret store vault is asked."]
    assert CREDENTIAL not in repr(list(Event.objects.values())) + repr(vault.__dict__)


def test_a_credential_is_never_sent_to_another_address(vault: SecretStore, ada: User) -> None:
    with pytest.raises(StoreWrong, match="Type the credential anew"):
        keeping.change(vault, Plan("vault", settings={"address": "https://elsewhere.example"}), by=ada)


@pytest.mark.parametrize(
    ("plan", "field"),
    [
        (Plan("fortune", "x"), "kind"),
        (Plan("vault", "No Name", VAULT, "x"), "name"),
        (Plan("vault", "x", VAULT, ""), "secret"),
        (Plan("vault", "x", VAULT, "ü"), "secret"),
        (Plan("vault", "x", VAULT | {"address": "ftp://x"}, "t"), "address"),
        (Plan("vault", "x", VAULT | {"mount": "a/../b"}, "t"), "mount"),
        (Plan("command", "x", {"command": "pass show"}), "command"),
        (Plan("command", "x", {"command": "/bin/sh 'a"}), "command"),
        (Plan("command", "x", {"command": "/bin/{}"}), "command"),
        (Plan("command", "x", {"command": "/bin/true", "seconds": "600"}), "seconds"),
        (Plan("command", "x", {}), "command"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_cannot_be_is_told_by_its_field(ada: User, plan: Plan, field: str) -> None:
    with pytest.raises(StoreWrong) as error:
        keeping.add(plan, by=ada)
    assert set(error.value.problems) == {field}
    assert not SecretStore.objects.exists()


def test_only_administrators_set_up_test_and_refer(vault: SecretStore, mia: User, ada: User, target: Target) -> None:
    """A maintainer of everything may not: it runs on workers, or uses what the installation holds."""
    reference = Reference("vault", "shop/database", "password")
    for act in (
        lambda: keeping.add(Plan("command", "x", {"command": "/bin/true"}), by=mia),
        lambda: keeping.change(vault, Plan("vault", settings=VAULT), by=mia),
        lambda: keeping.try_out(vault, by=mia),
        lambda: keeping.remove(vault, by=mia),
        lambda: referring.set_reference(Scope(target), "TOKEN", reference, by=mia),
    ):
        with pytest.raises(NotAllowed):
            act()
    referring.set_reference(Scope(target), "TOKEN", reference, by=ada)
    now = changing.set_value(Scope(target), "TOKEN", "typed", by=mia)
    assert now is not None
    assert (now.kind, changing.plain_text(now)) == ("secret", "typed"), "what takes its place is a secret too"
    with pytest.raises(NotAllowed):
        changing.undo(now, by=mia)  # that would refer to it again
    assert changing.undo(now, by=ada).reference == reference


def test_a_reference_is_told_and_is_no_secret_itself(vault: SecretStore, ada: User, target: Target) -> None:
    reference = Reference("vault", "shop/database", "password")
    made = referring.set_reference(Scope(target), "TOKEN", reference, by=ada)
    assert made is not None
    assert (made.is_secret, made.reference, str(reference)) == (True, reference, "vault: shop/database#password")
    assert referring.set_reference(Scope(target), "TOKEN", reference, by=ada) is None
    event = Event.objects.filter(kind="configuration.set").get()
    assert tell(event).text == (
        "ada set TOKEN for the target shop/staging, a secret that lies in vault: shop/database#password."
    )
    with pytest.raises(ValueRefused, match="Say which key"):
        referring.set_reference(Scope(target), "TOKEN", Reference("vault", "shop"), by=ada)
    with pytest.raises(ValueRefused, match="characters that cannot be seen"):
        referring.set_reference(Scope(target), "TOKEN", Reference("vault", "shop", "x\n"), by=ada)
    with pytest.raises(NoSuchStore):
        referring.set_reference(Scope(target), "TOKEN", Reference("other", "shop", "x"), by=ada)


def test_a_store_goes_only_when_nothing_refers_to_it(vault: SecretStore, ada: User, target: Target) -> None:
    referring.set_reference(Scope(target), "TOKEN", Reference("vault", "shop", "x"), by=ada)
    with pytest.raises(StoreInUse, match="TOKEN would lose"):
        keeping.remove(vault, by=ada)
    changing.remove_value(Scope(target), "TOKEN", by=ada)
    keeping.remove(vault, by=ada)
    assert not SecretStore.objects.exists()


def test_a_test_is_noted(ada: User) -> None:
    with serving() as server:
        server.put("shop/database", password="canary-value")
        store = keeping.add(Plan("vault", "vault", {"address": server.address}, server.token), by=ada)
        assert keeping.try_out(store, path="shop/database", by=ada).keys == ("password",)
        asked = len(server.asked)
        with pytest.raises(NotFetched, match="characters that cannot be seen"):
            keeping.try_out(store, path="shop/\x07database", by=ada)
        assert len(server.asked) == asked
        with pytest.raises(NotFetched, match="Nothing lies at shop/typo"):
            keeping.try_out(store, path="shop/typo", by=ada)
        store.refresh_from_db()
        assert store.trouble == "", "the store itself is well"
        server.sealed = True
        with pytest.raises(NotFetched):
            keeping.try_out(store, by=ada)
    store.refresh_from_db()
    assert "is sealed" in store.trouble
    assert store.asked_at


# --- doors


def api(client: Client, method: str, path: str, body: dict[str, Any] | None = None) -> Any:
    return client.generic(method, f"/api/v1/{path}", data=json.dumps(body or {}), content_type="application/json")


def test_the_api_sets_up_tests_and_never_gives_the_credential_out(ada: User, target: Target) -> None:
    with serving() as server:
        client = client_of(ada)
        server.put("shop/database", password="canary-value")
        new = {"name": "vault", "kind": "vault", "settings": {"address": server.address}, "secret": server.token}
        made = api(client, "POST", "secret-stores", new)
        assert made.status_code == 201, made.content
        assert api(client, "POST", "secret-stores", new).status_code == 409
        tried = api(client, "POST", "secret-stores/vault/test", {"path": "shop/database", "key": "password"})
        assert (tried.status_code, tried.json()["keys"], tried.json()["version"]) == (200, ["password"], 1)
        missing = api(client, "POST", "secret-stores/vault/test", {"path": "shop/none"})
        assert (missing.status_code, missing.json()["kind"]) == (502, "secret-store")
        lies = {"store": "vault", "path": "shop/database", "key": "password"}
        path = "targets/shop/staging/configuration/target/TOKEN"
        said = api(client, "PUT", path, {"lies_in": lies})
        assert (said.status_code, said.json()["value"], said.json()["lies_in"]) == (200, None, lies), said.content
        assert api(client, "PUT", path, {"lies_in": lies, "value": "x"}).status_code == 400
        assert api(client, "PUT", path, {}).status_code == 400
        assert api(client, "DELETE", "secret-stores/vault").status_code == 409
        changed = api(client, "PUT", "secret-stores/vault", {"settings": {"address": server.address, "mount": "kv"}})
        assert changed.json()["settings"]["mount"] == "kv"
        assert "secret" not in str(sorted(made.json())) + str(sorted(made.json()["settings"]))
        everything = b"".join(
            [made.content, tried.content, missing.content, said.content, client.get("/api/v1/secret-stores").content]
        )
        assert server.token.encode() not in everything
        assert b"canary-value" not in everything


def test_a_maintainer_may_not_refer_by_the_api(vault: SecretStore, mia: User, target: Target) -> None:
    body = {"lies_in": {"store": "vault", "path": "shop", "key": "x"}}
    refused = api(client_of(mia), "PUT", "targets/shop/staging/configuration/target/TOKEN", body)
    assert refused.status_code == 403
    assert not ConfigurationValue.objects.exists()


def test_the_pages_set_up_test_and_refer(ada: User, target: Target) -> None:
    client = client_of(ada)
    assert "No secret stores yet" in client.get(reverse("settings-stores")).content.decode()
    with serving() as server:
        server.put("shop/database", password="canary-value")
        form = {"kind": "vault", "name": "vault", "address": "nonsense", "secret": server.token}
        wrong = client.post(reverse("add-store"), form)
        assert wrong.status_code == 422
        assert server.token not in wrong.content.decode()
        client.post(reverse("add-store"), form | {"address": server.address})
        page = reverse("change-store", args=["vault"])
        said = client.post(reverse("try-store", args=["vault"]), {"path": "shop/database"}, follow=True)
        assert "It holds password. Version 1" in said.content.decode()
        typo = client.post(reverse("try-store", args=["vault"]), {"path": "shop/typo"}, follow=True).content.decode()
        assert typo.count("Nothing lies at shop/typo") == 1
        assert "dp-notice dp-bad dp-message" in typo, "no refusal has a check mark"
        server.sealed = True
        closed = client.post(reverse("try-store", args=["vault"]), {"path": "shop/typo"}, follow=True).content.decode()
        assert closed.count("is sealed or in maintenance") == 1
        client.post(page, {"address": server.address, "secret": "", "mount": "kv"})
        store = SecretStore.objects.get()
        assert (unseal(store.secret), store.settings["mount"]) == (server.token, "kv")
    here = reverse("configuration", args=["shop", "staging"])
    value = {"name": "TOKEN", "place": "target:shop/staging", "store": "vault", "path": "shop/database", "key": ""}
    assert "Say which key" in client.post(reverse("set-value", args=["shop", "staging"]), value).content.decode()
    client.post(reverse("set-value", args=["shop", "staging"]), value | {"key": "password"})
    shown = client.get(here).content.decode()
    assert "shop/database#password" in shown
    assert "lies in vault" in shown
    assert "TOKEN" in client.get(page).content.decode()
    assert "would lose" in client.post(reverse("remove-store", args=["vault"]), follow=True).content.decode()
    assert client.get(reverse("add-store") + "?kind=fortune").status_code == 404


def test_who_only_maintains_sees_where_it_lies_and_no_way_to_change_that(
    vault: SecretStore, mia: User, ada: User, target: Target
) -> None:
    referring.set_reference(Scope(target), "TOKEN", Reference("vault", "shop/database", "x"), by=ada)
    shown = client_of(mia).get(reverse("configuration", args=["shop", "staging"])).content.decode()
    assert "shop/database#x" in shown
    assert 'name="store"' not in shown


def test_ten_times_the_stores_and_values_take_as_many_queries(ada: User, target: Target) -> None:
    client = client_of(ada)
    zone = builders.make_zone()
    places = (target, target.application, target.environment, zone, zone.region, builders.make_host(zone=zone))

    def make(numbers: range) -> None:
        for n in numbers:
            keeping.add(Plan("command", f"s-{n}", {"command": "/bin/cat {}"}), by=ada)
            for place in places:
                referring.set_reference(Scope(place), f"TOKEN_{n}", Reference("s-0", f"shop/{n}"), by=ada)

    def queries(address: str) -> int:
        with CaptureQueriesContext(connection) as asked:
            assert client.get(address).status_code == 200
        return len(asked)

    addresses = [
        reverse("settings-stores"),
        reverse("add-store") + "?kind=command",
        reverse("change-store", args=["s-0"]),
        reverse("configuration", args=["shop", "staging"]),
        "/api/v1/secret-stores",
    ]
    make(range(2))
    few = {address: queries(address) for address in addresses}
    make(range(2, 20))
    assert {address: queries(address) for address in addresses} == few
    assert max(few.values()) <= 15, few


def test_nothing_is_undone_to_a_store_that_is_gone(vault: SecretStore, ada: User, target: Target) -> None:
    referring.set_reference(Scope(target), "TOKEN", Reference("vault", "shop", "x"), by=ada)
    removed = changing.remove_value(Scope(target), "TOKEN", by=ada)
    keeping.remove(vault, by=ada)
    with pytest.raises(NoSuchStore, match="no secret store 'vault' any more"):
        changing.undo(removed, by=ada)
    assert ConfigurationValue.objects.get(name="TOKEN", latest=True).pk == removed.pk
