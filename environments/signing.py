"""Certificates for the Deployer's own key, from a command of yours that signs it, and renewed in good time.

The command gets our public key on its standard input, and DEPLOYER_PRINCIPAL, DEPLOYER_VALIDITY (as `+3600s`, for
`ssh-keygen -V`) and DEPLOYER_KEY_ID in its environment; it prints a certificate. One that fails changes nothing: the
certificate that there is goes on to its end, and the key itself is shown to hosts all the time.

SignerError
├── SignerWrong     what was typed cannot be; `problems` by the name of the field
├── NoSigner        none is set
└── NotSigned       the command gave no certificate that can be used
"""

import logging
import shlex
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.serialization import SSHCertificateType
from django.conf import settings
from django.core.exceptions import ValidationError
from django.db import transaction
from django.db.models import F, Q
from django.utils import timezone

from environments import access, bounded_program
from environments.keys import ensure_key_pair
from environments.models import KeyPair, Signer, User
from environments.ssh import certificates, connection
from environments.validation import validate_user
from notifications import events

log = logging.getLogger(__name__)

LOOK_SECONDS = 5.0
SECONDS = 30.0
MOST_BYTES = 64 << 10
LEAST_MINUTES, MOST_MINUTES = 5, 7 * 24 * 60
AGAIN = timedelta(minutes=1)  # after one that failed
_KEY_ID = "deployer"


class SignerError(Exception):
    """`str()` is the sentence for every door."""


class SignerWrong(SignerError):
    def __init__(self, problems: Mapping[str, str]) -> None:
        self.problems = dict(problems)
        super().__init__(" ".join([*self.problems.values(), "Nothing was changed."]))


class NoSigner(SignerError):
    pass


class NotSigned(SignerError):
    pass


@dataclass(frozen=True)
class Signed:
    """A certificate in one line, and from when to when it counts (seconds since 1970)."""

    line: str
    begins: datetime
    ends: datetime


def current() -> Signer | None:
    return Signer.objects.first()


def set_signer(command: str, *, principal: str, minutes: int, by: User | None) -> Signer:
    """From now on that command signs; it is asked at once. Raises SignerWrong, NotSigned, NotAllowed."""
    access.require(by, access.ADMINISTER)
    _check(command, principal, minutes)
    pair = ensure_key_pair()
    signed = _ask(command, principal, minutes, pair)  # one that does not work is not kept
    facts = {"command": command.strip(), "principal": principal, "minutes": minutes}
    with transaction.atomic():
        row, _ = Signer.objects.update_or_create(pk=1, defaults=facts)
        Signer.objects.filter(pk=1).update(version=F("version") + 1)
        _keep(pair, signed)
        events.record("signer.set", by.username if by else "", principal=principal, ends=_told(signed.ends))
    row.refresh_from_db()
    return row


def remove(*, by: User | None) -> None:
    """The key itself opens hosts from now on, or nothing does. Raises NoSigner, NotAllowed."""
    access.require(by, access.ADMINISTER)
    with transaction.atomic():
        if not Signer.objects.filter(pk=1).delete()[0]:
            raise NoSigner("No command signs the Deployer's key. Nothing was changed.")
        events.record("signer.removed", by.username if by else "")
        transaction.on_commit(connection.own_key.forget)


def renew(*, by: User | None) -> Signer:
    """Ask it now, whether it is time or not. Raises NoSigner, NotSigned (written down, too), NotAllowed."""
    access.require(by, access.ADMINISTER)
    row = current()
    if row is None:
        raise NoSigner("No command signs the Deployer's key. Nothing was changed.")
    _renew(row, by.username if by else "")
    row.refresh_from_db()
    return row


def renew_due() -> None:
    """Every worker looks; the one whose UPDATE counts asks. Called again and again."""
    now = timezone.now()
    row = Signer.objects.filter(Q(due_at=None) | Q(due_at__lte=now)).first()
    if row is None and (found := current()) is not None and _is_of_another_key(found):
        row = found
    if row is None or not Signer.objects.filter(pk=1, due_at=row.due_at).update(due_at=now + AGAIN):
        return
    try:
        _renew(row, "")
    except NotSigned as error:
        log.warning("The Deployer's certificate was not renewed: %s", error)


def _is_of_another_key(row: Signer) -> bool:
    """Another key pair was taken into use since."""
    pair = KeyPair.objects.filter(active=True).values_list("pk", flat=True).first()
    return row.trouble == "" and row.key_pair_id != pair


def _renew(row: Signer, by: str) -> None:
    pair = ensure_key_pair()
    try:
        signed = _ask(row.command, row.principal, row.minutes, pair)
    except NotSigned as error:
        _say_failed(row, str(error))
        raise
    with transaction.atomic():
        if not Signer.objects.select_for_update().filter(pk=1, version=row.version).exists():
            return  # set anew or removed meanwhile
        _keep(pair, signed)
        if row.trouble:
            events.record("signer.recovered", by, ends=_told(signed.ends))


def _say_failed(row: Signer, why: str) -> None:
    """The event tells the first time only; the page goes on saying it in red."""
    now = timezone.now()
    with transaction.atomic():
        rows = Signer.objects.filter(pk=1, version=row.version)
        fresh = rows.filter(trouble="").update(trouble_since=now)
        rows.update(trouble=why, due_at=now + AGAIN)
        if fresh:
            ends = _told(row.ends_at) if row.ends_at else "there is none"
            events.record("signer.failed", "", reason=why, ends=ends)


def _keep(pair: KeyPair, signed: Signed) -> None:
    """Renewed when two thirds of its time are over."""
    due = signed.begins + (signed.ends - signed.begins) * 2 / 3
    facts: dict[str, Any] = {"certificate": signed.line, "key_pair": pair, "begins_at": signed.begins}
    facts |= {"ends_at": signed.ends, "due_at": max(due, timezone.now() + timedelta(seconds=10))}
    Signer.objects.filter(pk=1).update(**facts, trouble="", trouble_since=None)
    transaction.on_commit(connection.own_key.forget)


def _check(command: str, principal: str, minutes: int) -> None:
    problems: dict[str, str] = {}
    try:
        words = shlex.split(command)
    except ValueError:
        words = []
    if "\0" in command or "\n" in command:
        problems["command"] = "A command is one line."
    elif not words or not Path(words[0]).is_absolute():
        problems["command"] = "Name a program with its whole path, and close every quotation."
    elif not any(Path(words[0]).resolve().is_relative_to(folder.resolve()) for folder in settings.SOURCE_SCRIPTS):
        told = ", ".join(map(str, settings.SOURCE_SCRIPTS)) or "no folder yet"
        problems["command"] = f"Programs are run from {told} only (SOURCE_SCRIPTS)."
    try:
        validate_user(principal)
    except ValidationError as error:
        problems["principal"] = error.messages[0]
    if not LEAST_MINUTES <= minutes <= MOST_MINUTES:
        problems["minutes"] = f"A certificate is wanted for {LEAST_MINUTES} to {MOST_MINUTES} minutes."
    if problems:
        raise SignerWrong(problems)


def _ask(command: str, principal: str, minutes: int, pair: KeyPair) -> Signed:
    """Raises NotSigned."""
    _refuse_elsewhere(command)
    words = shlex.split(command)
    more = {"DEPLOYER_PRINCIPAL": principal, "DEPLOYER_VALIDITY": f"+{minutes * 60}s", "DEPLOYER_KEY_ID": _KEY_ID}
    given = f"{pair.public}\n".encode()
    try:
        ended = bounded_program.run(words, seconds=SECONDS, most_bytes=MOST_BYTES, given=given, more=more)
    except bounded_program.ProgramTrouble as trouble:
        raise NotSigned(str(trouble)) from None
    if ended.code:
        said = ended.errors.decode(errors="replace").strip().splitlines()
        why = f": {said[-1][:300]}" if said else ""
        raise NotSigned(f"{words[0]} ended with {ended.code}{why}.")
    return read(ended.output.decode(errors="replace"), principal=principal, public=pair.public, name=words[0])


def _refuse_elsewhere(command: str) -> None:
    """A link may lead out of the folder since, or the folder may be none any more."""
    try:
        _check(command, "deploy", LEAST_MINUTES)
    except SignerWrong as wrong:
        raise NotSigned(wrong.problems["command"]) from None


def read(text: str, *, principal: str, public: str, name: str) -> Signed:
    """What a signer printed, if it is a certificate for our key that counts now. Raises NotSigned."""
    line = " ".join(text.split()[:2])
    try:
        blob = certificates.blob_of(line)
        found = certificates.read(blob)
        if certificates.key_within(blob) != public.split()[1]:
            raise certificates.CertificateWrong("is for another key than ours")
        if found.type != SSHCertificateType.USER:
            raise certificates.CertificateWrong("is one of a host, not of a user")
        if found.valid_principals and principal.encode() not in found.valid_principals:
            raise certificates.CertificateWrong(f"is not for {principal}")
        certificates.check_time(found, time.time())
    except certificates.CertificateWrong as wrong:
        raise NotSigned(f"{name} printed no certificate for us: it {wrong}.") from None
    ends = min(found.valid_before, int(time.time()) + MOST_MINUTES * 60)
    begins = max(found.valid_after, int(time.time()) - MOST_MINUTES * 60)
    return Signed(line, datetime.fromtimestamp(begins, tz=UTC), datetime.fromtimestamp(ends, tz=UTC))


def _told(moment: datetime) -> str:
    return f"{moment:%d %b %Y %H:%M} UTC"
