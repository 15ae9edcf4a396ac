"""Changing values: each change is a new row and an event, and can be undone. Values of secrets never leave in words."""

from typing import Any

from django.db import connection, transaction

from environments import access
from environments.configuration.errors import NoSuchValue, NothingToUndo, ValueRefused
from environments.configuration.names import check_name
from environments.configuration.scopes import Scope
from environments.models import ConfigurationValue, Target, User, ValueKind
from environments.operator import operator
from environments.sealed import seal, unseal
from environments.secret_stores import holding
from notifications import events

LONGEST = 32 * 1024
REMEMBERED = 50  # how far back an equal content is looked for
_LOCK = 0x0C0F16  # names our lock among PostgreSQL's advisory ones


def set_value(
    scope: Scope, name: str, value: str, *, secret: bool | None = None, by: User | None
) -> ConfigurationValue | None:
    """Set `name` in one layer; `secret` None: as it was. None when that is what it is already.

    Raises NotAllowed, NameRefused, ValueRefused.
    """
    scope.require_maintainer(by)
    check_name(name)
    check_value(name, value)
    with transaction.atomic():
        now = _lock_and_read(scope, name)
        sealed = secret if secret is not None else bool(now and now.is_secret)
        return _put(scope, name, ValueKind.SECRET if sealed else ValueKind.TEXT, value, now, by)


def put(scope: Scope, name: str, kind: ValueKind, text: str, *, by: User | None) -> ConfigurationValue | None:
    """A value that has been checked, within a transaction; None when that is what it is already. Raises NotAllowed."""
    scope.require_maintainer(by)
    return _put(scope, name, kind, text, _lock_and_read(scope, name), by)


def _put(
    scope: Scope, name: str, kind: ValueKind, text: str, now: ConfigurationValue | None, by: User | None
) -> ConfigurationValue | None:
    if now and now.kind == kind and plain_text(now) == text:
        return None
    made = _append(scope, name, kind, text, now, by)
    _record("configuration.set", made, now, scope, by)
    return made


def remove_value(scope: Scope, name: str, *, by: User | None) -> ConfigurationValue:
    """From then on the layers below decide. Raises NotAllowed, NoSuchValue."""
    scope.require_maintainer(by)
    with transaction.atomic():
        now = _lock_and_read(scope, name)
        if now is None or now.is_removed:
            raise NoSuchValue(f"{name} is not set for the {scope.layer} {scope.name}. Nothing was changed.")
        made = _append(scope, name, ValueKind.REMOVED, "", now, by)
        _record("configuration.removed", made, now, scope, by)
    return made


def undo(change: ConfigurationValue, *, by: User | None) -> ConfigurationValue:
    """Make a name what it was before its newest change. Raises NotAllowed, NothingToUndo, NoSuchStore."""
    scope = Scope(change.of)  # type: ignore[arg-type]  # a layer's column holds one of them
    scope.require_maintainer(by)
    with transaction.atomic():
        now = _lock_and_read(scope, change.name)
        if now is None or now.pk != change.pk:
            raise NothingToUndo(
                f"{change.name} of the {scope.layer} {scope.name} has been changed again since. "
                "Undo the newest change, or set the value. Nothing was changed."
            )
        before = before_of(change)
        if before and before.reference:
            access.require(by, access.ADMINISTER)
            holding.hold(before.reference.store)
        kind = ValueKind(before.kind) if before else ValueKind.REMOVED
        made = _append(scope, change.name, kind, plain_text(before) if before else "", now, by, undoes=change)
        _record("configuration.undone", made, now, scope, by)
    return made


def before_of(change: ConfigurationValue) -> ConfigurationValue | None:
    """The row that it took the place of; None: the name was not set before."""
    rows = ConfigurationValue.objects.filter(name=change.name, **{change.layer: change.of_id}, pk__lt=change.pk)
    return rows.order_by("-pk").first()


def plain_text(row: ConfigurationValue) -> str:
    """The value itself, of a secret too; of one that lies elsewhere, where. Raises CannotOpen."""
    return unseal(row.text) if row.kind == ValueKind.SECRET else row.text


def check_value(name: str, value: str) -> None:
    """Raises ValueRefused. The value is not told again."""
    if len(value.encode(errors="surrogatepass")) > LONGEST:
        raise ValueRefused(f"The value of {name} is longer than {LONGEST} bytes. Nothing was changed.")
    if any(character != "\t" and character != "\n" and not _is_text(character) for character in value):
        raise ValueRefused(
            f"The value of {name} has a control character besides tab and newline, or is no Unicode text; "
            "no reader of a .env file takes that. Encode it, as by base64. Nothing was changed."
        )


def _is_text(character: str) -> bool:
    code = ord(character)
    return code >= 0x20 and code != 0x7F and not 0x80 <= code < 0xA0 and not 0xD800 <= code <= 0xDFFF


def _lock_and_read(scope: Scope, name: str) -> ConfigurationValue | None:
    """One change at a time, so that ids rise as they are committed; SQLite writes one by one anyway."""
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_xact_lock(%s)", [_LOCK])
    return ConfigurationValue.objects.filter(name=name, latest=True, **scope.column).first()


def _append(
    scope: Scope,
    name: str,
    kind: ValueKind,
    value: str,
    now: ConfigurationValue | None,
    by: User | None,
    undoes: ConfigurationValue | None = None,
) -> ConfigurationValue:
    if now is not None:
        ConfigurationValue.objects.filter(pk=now.pk).update(latest=False)
    made = ConfigurationValue.objects.create(
        name=name,
        kind=kind,
        text=seal(value) if kind == ValueKind.SECRET else value,
        by=by,
        by_name=by.full_name if by else operator(),
        undoes=undoes,
        **scope.column,
    )
    made.content = _same_content(scope, made, value)
    made.save(update_fields=["content"])
    reached = Target.objects.filter(scope.targets()).values("pk")
    Target.objects.filter(pk__in=reached).update(configuration_at=made.pk)
    return made


def _same_content(scope: Scope, made: ConfigurationValue, value: str) -> int:
    """An undone change is none: what is the same again gets the number that it had."""
    rows = ConfigurationValue.objects.filter(name=made.name, kind=made.kind, pk__lt=made.pk, **scope.column)
    same = (row.content for row in rows.order_by("-pk")[:REMEMBERED] if plain_text(row) == value)
    return next(same, made.pk)


def _record(
    kind: str, made: ConfigurationValue, before: ConfigurationValue | None, scope: Scope, by: User | None
) -> None:
    facts: dict[str, Any] = {
        "name": made.name,
        "secret": made.is_secret or bool(before and before.is_secret),
        "change": made.pk,
        **scope.facts,
    }
    if made.reference:
        facts["lies_in"] = str(made.reference)
    if not facts["secret"]:
        facts |= {"before": _short(before), "now": _short(made)}
    events.record(kind, by.username if by else "", **facts)


def _short(row: ConfigurationValue | None) -> str | None:
    """For events: None where nothing is set."""
    if row is None or row.is_removed:
        return None
    return row.text if len(row.text) <= 200 else row.text[:199] + "…"
