"""Sealing every stored secret with the newest key, so that older keys can be taken away.

It may be broken off and run again at any time, also while the Deployer works: what is sealed with the newest key is
left alone, and a secret that somebody changes meanwhile is theirs.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field

from allauth.mfa.models import Authenticator
from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from django.conf import settings
from django.db import models, transaction

from environments.models import (
    Application,
    ConfigurationValue,
    FetchedSecrets,
    HookSource,
    HostSource,
    KeyPair,
    SecretStore,
    SignInProvider,
    ValueKind,
)
from notifications import events
from notifications.models import Channel

BATCH = 500


@dataclass(frozen=True)
class Column:
    """A column of sealed texts; `only`: which rows, where others hold plain ones; `key`: where in it, of JSON."""

    model: type[models.Model]
    name: str
    only: models.Q = field(default_factory=models.Q)
    key: str = ""

    @property
    def path(self) -> str:
        return f"{self.name}__{self.key}" if self.key else self.name

    def __str__(self) -> str:
        return f"{self.model._meta.db_table}.{self.name}"


# Every column that environments.sealed seals; a test finds one that is not here.
COLUMNS = (
    Column(Application, "deploy_key"),
    Column(Application, "https_token"),
    Column(Application, "artifact_token"),
    Column(KeyPair, "private"),
    Column(HookSource, "secret"),
    Column(HostSource, "secret"),
    Column(SecretStore, "secret"),
    Column(Channel, "secret"),
    Column(SignInProvider, "secret"),
    Column(FetchedSecrets, "sealed"),
    Column(ConfigurationValue, "text", models.Q(kind=ValueKind.SECRET)),
    Column(Authenticator, "data", models.Q(type="totp"), key="secret"),
    Column(Authenticator, "data", models.Q(type="recovery_codes"), key="seed"),
)


@dataclass
class Resealed:
    """How many were sealed anew, and were so already; `closed`: where which do not open with any key."""

    anew: int = 0
    already: int = 0
    closed: list[str] = field(default_factory=list)


def reseal(*, by: str) -> Resealed:
    """Seal everything with the first of ENCRYPTION_KEYS. `by`: who, for the audit trail."""
    found = Resealed()
    for column in COLUMNS:
        for rows in _batches(column):
            with transaction.atomic():
                for pk, sealed in rows:
                    _reseal_one(column, pk, sealed, found)
    with transaction.atomic():
        events.record("secrets.resealed", by, anew=found.anew, already=found.already, closed=len(found.closed))
    return found


def _batches(column: Column) -> Iterator[list[tuple[int, str]]]:
    """In the order of their ids; a new one is sealed with the newest key anyway."""
    after = 0
    while True:
        rows = column.model._default_manager.filter(column.only, pk__gt=after).exclude(**{column.path: ""})
        found = list(rows.order_by("pk").values_list("pk", column.path)[:BATCH])
        if not found:
            return
        after = found[-1][0]
        yield found


def _reseal_one(column: Column, pk: int, sealed: str, found: Resealed) -> None:
    keys = [Fernet(key) for key in settings.ENCRYPTION_KEYS]
    try:
        keys[0].decrypt(sealed.encode())
        found.already += 1
        return
    except InvalidToken:
        pass
    try:
        anew = MultiFernet(keys).rotate(sealed.encode()).decode()
    except InvalidToken:
        found.closed.append(f"{column} of row {pk}")
        return
    rows = column.model._default_manager.filter(pk=pk, **{column.path: sealed})
    if column.key:
        found.anew += sum(_rewrite(row, column, anew) for row in rows.select_for_update())
        return
    found.anew += rows.update(**{column.name: anew})  # 0: changed meanwhile, and so sealed by who changed it


def _rewrite(row: models.Model, column: Column, anew: str) -> int:
    """One key of the JSON in a row that is held; what else stands there stays."""
    setattr(row, column.name, getattr(row, column.name) | {column.key: anew})
    row.save(update_fields=[column.name])
    return 1
