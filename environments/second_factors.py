"""What a person shows beside the password: a code of an app, a passkey, or one of ten codes kept for a bad day.

Secrets, passkeys and codes are kept by django-allauth (its table, its checks), sealed by us; no page of it is mounted.

Errors:

    FactorError
    ├── WrongCode      it is not right, was used already, or is of another time
    ├── NoSuchFactor   it was removed meanwhile
    ├── AlreadySo      there is an app already, or nothing to take away
    └── StillRequired  without it none would be left, and one is required here
"""

import hmac
import json
import secrets
import time
from collections.abc import MutableMapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from allauth.mfa.adapter import DefaultMFAAdapter
from allauth.mfa.models import Authenticator
from allauth.mfa.recovery_codes.internal.auth import RecoveryCodes
from allauth.mfa.totp.internal import auth as totp
from allauth.mfa.webauthn.internal import auth as webauthn
from django.conf import settings
from django.core.exceptions import ValidationError
from django.db import transaction

from environments import access
from environments.models import User
from environments.sealed import seal, unseal
from notifications import events

SHOWN = "second-factor"  # in the session of who has shown one
APP, PASSKEY, CODES = Authenticator.Type.TOTP, Authenticator.Type.WEBAUTHN, Authenticator.Type.RECOVERY_CODES
KINDS = {APP: "app", PASSKEY: "passkey"}
LONGEST_NAME = 60
_PERIOD = 30  # seconds, as every app has it
_NOT_AN_ANSWER = (ValidationError, ValueError, TypeError, KeyError, AttributeError)


class FactorError(Exception):
    """`str()` is the sentence for every door."""


class WrongCode(FactorError):
    pass


class NoSuchFactor(FactorError):
    pass


class AlreadySo(FactorError):
    pass


class StillRequired(FactorError):
    pass


@dataclass(frozen=True)
class Factor:
    """`kind`: app or passkey."""

    pk: int
    kind: str
    name: str
    made_at: datetime
    used_at: datetime | None


class Adapter(DefaultMFAAdapter):  # type: ignore[misc]  # it carries no types
    """What allauth asks of us: secrets are sealed, and people are known by their user names."""

    def encrypt(self, text: str) -> str:
        return seal(text)

    def decrypt(self, encrypted_text: str) -> str:
        return unseal(encrypted_text)

    def _get_user_identifier(self, user: Any) -> str:
        return str(user.get_username())

    def get_totp_issuer(self) -> str:
        return f"Deployer {self._get_site_name()}"


def factors_of(person: User) -> list[Factor]:
    """The oldest first."""
    rows = Authenticator.objects.filter(user=person, type__in=KINDS).order_by("pk")
    return [
        Factor(row.pk, KINDS[row.type], row.data.get("name") or "An app", row.created_at, row.last_used_at)
        for row in rows
    ]


def has_one(person: User) -> bool:
    return bool(Authenticator.objects.filter(user=person, type__in=KINDS).exists())


def codes_left(person: User) -> int:
    """How many of the codes for a bad day are not used yet."""
    row = Authenticator.objects.filter(user=person, type=CODES).first()
    return len(RecoveryCodes(row).get_unused_codes()) if row else 0


def is_required_of(person: User) -> bool:
    """Whether this installation wants one of this person (`SECOND_FACTOR`)."""
    if settings.SECOND_FACTOR == "administrators":
        return person.is_superuser or access.role_allows(person.role, access.ADMINISTER)
    return bool(settings.SECOND_FACTOR == "everyone")


def is_owed(person: object, session: MutableMapping[str, Any]) -> bool:
    """Whether whoever is signed in with this session must set one up before anything else."""
    return isinstance(person, User) and is_required_of(person) and not session.get(SHOWN) and not has_one(person)


def new_secret() -> str:
    """For an app that is about to be added."""
    return str(totp.generate_totp_secret())


def picture_of(person: User, secret: str) -> str:
    """What an app photographs, as SVG to stand in a page."""
    adapter = Adapter()
    drawn: str = adapter.build_totp_svg(adapter.build_totp_url(person, secret))
    return drawn[drawn.index("<svg") :]


def add_app(person: User, secret: str, code: str) -> list[str]:
    """Codes for a bad day when this is the first factor, else none. Raises WrongCode, AlreadySo."""
    counter = _counter_of(secret, code, after=0)
    with transaction.atomic():
        User.objects.select_for_update(no_key=True).get(pk=person.pk)
        if Authenticator.objects.filter(user=person, type=APP).exists():
            raise AlreadySo("There is an app already. Remove it first, then add the new one.")
        first = not has_one(person)
        added = totp.TOTP.activate(person, secret).instance
        added.data["last"] = counter
        added.save(update_fields=["data"])
        return _added(person, "app", "An app", first)


def begin_passkey(person: User) -> str:
    """What the browser is asked to make, as JSON; the session remembers what was asked."""
    return json.dumps(webauthn.begin_registration(person, passwordless=False))


def add_passkey(person: User, name: str, answer: str) -> list[str]:
    """As add_app. `answer`: what the browser made, as JSON. Raises WrongCode."""
    words = " ".join(name.split())[:LONGEST_NAME] or "Passkey"
    try:
        credential = json.loads(answer)
        webauthn.complete_registration(credential)
    except _NOT_AN_ANSWER:
        raise WrongCode("The browser's answer does not fit what was asked. Nothing was added; try again.") from None
    with transaction.atomic():
        User.objects.select_for_update(no_key=True).get(pk=person.pk)
        first = not has_one(person)
        webauthn.WebAuthn.add(person, words, credential)
        return _added(person, "passkey", words, first)


def _added(person: User, kind: str, name: str, first: bool) -> list[str]:
    """With the first one every other session ends: it was begun with the password alone."""
    events.record("factor.added", person.username, factor=kind, name=name)
    if not first:
        return []
    _end_sessions(person)
    return _make_codes(person)


def renew_codes(person: User) -> list[str]:
    """Ten new codes; the old ones open nothing. Raises NoSuchFactor."""
    with transaction.atomic():
        if not has_one(person):
            raise NoSuchFactor("Codes stand in for an app or a passkey. Add one of these first.")
        made = _make_codes(person)
        events.record("factor.codes_renewed", person.username)
        return made


def _make_codes(person: User) -> list[str]:
    Authenticator.objects.filter(user=person, type=CODES).delete()
    return list(RecoveryCodes.activate(person).generate_codes())


def remove(person: User, pk: int) -> None:
    """One's own. Raises NoSuchFactor, StillRequired."""
    with transaction.atomic():
        User.objects.select_for_update(no_key=True).get(pk=person.pk)
        rows = list(Authenticator.objects.filter(user=person, type__in=KINDS))
        found = next((row for row in rows if row.pk == pk), None)
        if found is None:
            raise NoSuchFactor("It was removed already.")
        if len(rows) == 1 and is_required_of(person):
            raise StillRequired("This installation requires one, and it is your last. Add another first.")
        kind, name = KINDS[found.type], found.data.get("name") or "An app"
        found.delete()
        if len(rows) == 1:
            Authenticator.objects.filter(user=person).delete()
        events.record("factor.removed", person.username, factor=kind, name=name)


def take_away(person: User, *, by: User) -> None:
    """All of a person who has lost them; their sessions end. Raises NotAllowed, AlreadySo."""
    access.require(by, access.ADMINISTER)
    with transaction.atomic():
        count, _ = Authenticator.objects.filter(user=person).delete()
        if not count:
            raise AlreadySo(f"{person.username} has no second factor. Nothing was changed.")
        _end_sessions(person)
        events.record("factor.taken", by.username, user=person.username)


def _end_sessions(person: User) -> None:
    person.session_mark = secrets.token_hex(8)
    User.objects.filter(pk=person.pk).update(session_mark=person.session_mark)


def begin_proof(person: User) -> str:
    """What the browser is asked to sign with a passkey, as JSON; empty when there is none."""
    if not Authenticator.objects.filter(user=person, type=PASSKEY).exists():
        return ""
    return json.dumps(webauthn.begin_authentication(person))


def prove_by_passkey(person: User, answer: str) -> None:
    """Raises WrongCode."""
    try:
        shown = webauthn.complete_authentication(person, json.loads(answer))
    except _NOT_AN_ANSWER:
        raise WrongCode("This passkey does not open it. Try again, or type a code.") from None
    shown.record_usage()


def prove_by_code(person: User, code: str) -> None:
    """By a code of the app, or by one that was kept for a bad day; either opens once. Raises WrongCode."""
    with transaction.atomic():
        rows = {row.type: row for row in Authenticator.objects.select_for_update().filter(user=person)}
        app, kept = rows.get(APP), rows.get(CODES)
        if app and len(_digits(code)) == totp.app_settings.TOTP_DIGITS:
            app.data["last"] = _counter_of(unseal(app.data["secret"]), code, after=app.data.get("last", 0))
            app.save(update_fields=["data"])
            app.record_usage()
        elif kept and RecoveryCodes(kept).validate_code(_digits(code)):
            events.record("factor.code_used", person.username, left=codes_left(person))
        else:
            raise WrongCode("This code is not right.")


def _counter_of(secret: str, code: str, *, after: int) -> int:
    """Of which half minute a code is, with one to each side, for clocks differ. Raises WrongCode."""
    now, typed = int(time.time()) // _PERIOD, _digits(code)
    for counter in (now - 1, now, now + 1):
        right = totp.format_hotp_value(totp.hotp_value(secret, counter))
        if hmac.compare_digest(right, typed) and counter > after:
            return counter
    raise WrongCode("This code is not right: perhaps it is over, or was used already. Wait for the next one.")


def _digits(code: str) -> str:
    return "".join(letter for letter in code[:40] if letter.isascii() and letter.isdigit())
