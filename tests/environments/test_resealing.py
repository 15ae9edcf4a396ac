"""Keys are changed: all that is sealed opens with the new one alone, whatever happens in between."""

import ast
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from allauth.mfa.models import Authenticator
from cryptography.fernet import Fernet
from django.apps import apps
from django.core.management import CommandError, call_command
from django.db.models import CharField, TextField
from pytest_django import Settings

from environments import resealing
from environments.configuration import changing
from environments.configuration.scopes import Scope
from environments.models import Application, ConfigurationValue, KeyPair
from environments.resealing import COLUMNS, reseal
from environments.sealed import CannotOpen, seal, unseal
from notifications.models import Event
from tests import builders

pytestmark = [pytest.mark.django_db, pytest.mark.both_databases]
OLD, NEW = Fernet.generate_key().decode(), Fernet.generate_key().decode()


@pytest.fixture
def sealed_with_old(settings: Settings) -> Application:
    """One of everything that is sealed."""
    settings.ENCRYPTION_KEYS = [OLD]
    application = builders.make_application(
        deploy_key=seal("a key"), https_token=seal("a token"), artifact_token=seal("another")
    )
    KeyPair.objects.create(public="ssh-ed25519 AAAA", private=seal("private"))
    changing.set_value(Scope(application), "A", "first", secret=True, by=None)
    changing.set_value(Scope(application), "A", "second", by=None)
    changing.set_value(Scope(application), "PLAIN", "text", by=None)
    person = builders.make_user(username="grace")
    Authenticator.objects.create(user=person, type="totp", data={"secret": seal("an app"), "last": 7})
    Authenticator.objects.create(user=person, type="recovery_codes", data={"seed": seal("codes"), "used_mask": 3})
    return application


def all_sealed() -> list[str]:
    """Every sealed text of the database, wherever it stands."""
    found: list[str] = []
    for model in apps.get_models():
        names = [field.attname for field in model._meta.concrete_fields if isinstance(field, CharField | TextField)]
        for row in model._default_manager.values_list(*names) if names else ():
            found += [text for text in row if isinstance(text, str) and text.startswith("gAAAA")]
    for data in Authenticator.objects.values_list("data", flat=True):
        found += [text for text in data.values() if isinstance(text, str) and text.startswith("gAAAA")]
    return found


def test_everything_is_sealed_anew_and_opens_with_the_new_key_alone(
    sealed_with_old: Application, settings: Settings
) -> None:
    settings.ENCRYPTION_KEYS = [NEW, OLD]
    found = reseal(by="ada")
    assert (found.anew, found.already, found.closed) == (8, 0, [])
    settings.ENCRYPTION_KEYS = [NEW]
    assert len(all_sealed()) == 8
    assert sorted(map(unseal, all_sealed())) == [
        "a key",
        "a token",
        "an app",
        "another",
        *("codes", "first", "private", "second"),
    ]
    assert Authenticator.objects.filter(data__last=7).exists(), "what else stands there stays"
    assert ConfigurationValue.objects.get(name="PLAIN").text == "text"
    event = Event.objects.get(kind="secrets.resealed")
    assert (event.actor, event.facts["anew"]) == ("ada", 8)


def test_once_more_changes_nothing(sealed_with_old: Application, settings: Settings) -> None:
    settings.ENCRYPTION_KEYS = [NEW, OLD]
    reseal(by="ada")
    before = all_sealed()
    again = reseal(by="ada")
    assert (again.anew, again.already) == (0, 8)
    assert all_sealed() == before


def test_what_was_broken_off_is_gone_on_with(
    sealed_with_old: Application, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.ENCRYPTION_KEYS = [NEW, OLD]
    monkeypatch.setattr(resealing, "BATCH", 1)
    real, calls = resealing._reseal_one, []

    def break_off(*args: Any) -> None:
        calls.append(args)
        if len(calls) == 4:
            raise KeyboardInterrupt
        real(*args)

    monkeypatch.setattr(resealing, "_reseal_one", break_off)
    with pytest.raises(KeyboardInterrupt):
        reseal(by="ada")
    assert len([text for text in all_sealed() if opens(text, NEW)]) == 3
    monkeypatch.setattr(resealing, "_reseal_one", real)
    found = reseal(by="ada")
    assert (found.anew, found.already) == (5, 3)
    assert all(opens(text, NEW) for text in all_sealed())


def opens(text: str, key: str) -> bool:
    try:
        Fernet(key).decrypt(text.encode())
    except Exception:  # noqa: BLE001 - whatever it is, it does not open
        return False
    return True


def test_a_secret_that_is_changed_meanwhile_is_not_overwritten(
    sealed_with_old: Application, settings: Settings
) -> None:
    settings.ENCRYPTION_KEYS = [NEW, OLD]
    column = COLUMNS[1]
    old = sealed_with_old.https_token
    Application.objects.update(https_token=seal("changed"))
    found = resealing.Resealed()
    resealing._reseal_one(column, sealed_with_old.pk, old, found)
    assert found.anew == 0
    sealed_with_old.refresh_from_db()
    assert unseal(sealed_with_old.https_token) == "changed"


def test_what_does_not_open_is_told_and_left(sealed_with_old: Application, settings: Settings) -> None:
    lost = Fernet(Fernet.generate_key()).encrypt(b"lost").decode()
    Application.objects.update(https_token=lost)
    settings.ENCRYPTION_KEYS = [NEW, OLD]
    out = StringIO()
    with pytest.raises(CommandError, match=r"1 do not open .* environments_application\.https_token of row"):
        call_command("rotate-keys", stdout=out)
    assert out.getvalue().startswith("7 secrets were sealed with the first key; 0 were so already.")
    sealed_with_old.refresh_from_db()
    assert sealed_with_old.https_token == lost
    with pytest.raises(CannotOpen):
        unseal(lost)


def test_a_new_key_is_made_without_changing_anything(sealed_with_old: Application) -> None:
    out, before = StringIO(), all_sealed()
    call_command("rotate-keys", "--make", stdout=out)
    Fernet(out.getvalue().strip())
    assert all_sealed() == before


def test_every_column_that_says_it_is_sealed_is_known() -> None:
    known = {(column.model, column.name) for column in COLUMNS}
    said = {
        (model, field.name)
        for model in apps.get_models()
        for field in model._meta.concrete_fields
        if "sealed" in str(field.help_text)
    }
    assert said <= known


def test_every_file_that_seals_is_known() -> None:
    """Whoever seals something in a new place adds its column to COLUMNS, and the file here."""
    root = Path(__file__).parents[2]
    sealing = set()
    for folder in ("environments", "deployments", "notifications", "deployer_site"):
        for path in (root / folder).rglob("*.py"):
            calls = [node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Call)]
            if any(ast.unparse(call.func) in {"seal", "sealed.seal"} for call in calls):
                sealing.add(str(path.relative_to(root)))
    assert sealing == {
        "deployments/hooks/sources.py",
        "environments/adding_applications.py",
        "environments/admin.py",
        "environments/channels/keeping.py",
        "environments/configuration/changing.py",
        "environments/deploy_keys.py",
        "environments/second_factor_pages.py",
        "environments/second_factors.py",
        "environments/editing_applications.py",
        "environments/providers/keeping.py",
        "environments/secret_stores/keeping.py",
        "environments/secret_stores/remembering.py",
        "environments/sources/keeping.py",
        "environments/keys.py",
    }
