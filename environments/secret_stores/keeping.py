"""Adding, changing, testing and removing stores. Only administrators: they run on workers, or hold a credential."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction
from django.db.models import QuerySet
from django.utils import timezone

from environments import access
from environments.models import ConfigurationValue, SecretStore, User, ValueKind
from environments.sealed import seal, unseal
from environments.secret_stores import holding, kinds, remembering
from environments.secret_stores.errors import NoSuchStore, NotFetched, StoreInUse, StoreTaken, StoreWrong
from environments.secret_stores.references import Reference, problem_of
from environments.secret_stores.telling import Asked, Tested
from environments.validation import validate_name
from notifications import events

LONGEST = 60_000
NAMED = 5


@dataclass(frozen=True)
class Plan:
    """A store as it shall be. `secret`: None keeps the credential that is stored."""

    kind: str
    name: str = ""
    settings: Mapping[str, str] = field(default_factory=dict)
    secret: str | None = field(default=None, repr=False)


def find(name: str) -> SecretStore:
    """Raises NoSuchStore."""
    found = SecretStore.objects.filter(name=name).first()
    if found is None:
        raise NoSuchStore(f"There is no secret store {name[:63]!r}. Nothing was changed.")
    return found


def asked(store: SecretStore) -> Asked:
    """Raises CannotOpen."""
    return Asked(store.settings, unseal(store.secret))


def add(plan: Plan, *, by: User | None) -> SecretStore:
    """Raises NotAllowed, StoreWrong, StoreTaken."""
    access.require(by, access.ADMINISTER)
    store = _built(plan, None)
    try:
        with transaction.atomic():
            store.save()
            _record("secret_store.added", store, by)
    except IntegrityError:
        raise StoreTaken(
            f"There is a secret store called {store.name} already. Choose another name. Nothing was saved."
        ) from None
    return store


def change(store: SecretStore, plan: Plan, *, by: User | None) -> None:
    """Name and kind stay, for values refer to them. Raises NotAllowed, StoreWrong."""
    access.require(by, access.ADMINISTER)
    built = _built(plan, store)
    store.settings, store.secret, store.trouble, store.asked_at = built.settings, built.secret, "", None
    with transaction.atomic():
        store.save(update_fields=["settings", "secret", "trouble", "asked_at"])
        _record("secret_store.changed", store, by)


def remove(store: SecretStore, *, by: User | None) -> None:
    """Not while a value refers to it. Releases keep what they were given.

    Raises NotAllowed, StoreInUse, NoSuchStore.
    """
    access.require(by, access.ADMINISTER)
    with transaction.atomic():
        holding.hold(store.name)  # who refers to it meanwhile waits, and then learns that it is gone
        names = [row.name for row in used_by(store)]
        if names:
            more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
            raise StoreInUse(
                f"{', '.join(names[:NAMED])}{more} would lose what {store.name} holds. Set other values first. "
                "Nothing was removed."
            )
        _record("secret_store.removed", store, by)
        store.delete()


def try_out(store: SecretStore, *, path: str = "", key: str = "", by: User | None) -> Tested:
    """Ask it now, by this process; of what lies there only names and version are told.

    How the store itself is is noted; that nothing lies at a path that was typed here is no trouble of a deploy.

    Raises NotAllowed, NotFetched, CannotOpen.
    """
    access.require(by, access.ADMINISTER)
    kind = kinds.find(store.kind)
    reference = Reference(store.name, path.strip().strip("/"), key.strip()) if path.strip() or key.strip() else None
    if reference and (problem := problem_of(reference)):
        raise NotFetched(problem, reference)
    try:
        found = kind.try_out(asked(store), reference)
    except NotFetched as error:
        if error.reference is None:
            note(store, str(error))
        raise
    note(store, "")
    if reference:
        remembering.note_versions({(store.name, reference.path): found.version})
    return found


def note(store: SecretStore, trouble: str) -> None:
    """How it went when it was asked."""
    SecretStore.objects.filter(pk=store.pk).update(asked_at=timezone.now(), trouble=trouble)


def used_by(store: SecretStore) -> list[ConfigurationValue]:
    """The values that refer to it now, with what they are set for."""
    places = ("application", "environment", "target__application", "target__environment", "zone__region", "host")
    rows = _referring().select_related("region", *places).order_by("name", "pk")
    return [row for row in rows if Reference.read(row.text).store == store.name]


def uses() -> Counter[str]:
    """How many values refer to each store, by its name."""
    return Counter(Reference.read(text).store for text in _referring().values_list("text", flat=True))


def _referring() -> QuerySet[ConfigurationValue]:
    return ConfigurationValue.objects.filter(latest=True, kind=ValueKind.OUTSIDE)


def _built(plan: Plan, of: SecretStore | None) -> SecretStore:
    """Raises StoreWrong."""
    word = of.kind if of else plan.kind
    kind = kinds.KINDS.get(word)
    if kind is None:
        raise StoreWrong({"kind": f"{word[:40]!r} is no kind of secret store; there are {', '.join(kinds.KINDS)}."})
    problems: dict[str, str] = {}
    name = of.name if of else plan.name.strip()
    try:
        validate_name(name)
    except ValidationError as error:
        problems["name"] = f"{name[:80]!r} can be no name. {error.messages[0]}"
    known = [one.name for one in kind.TOLD.fields if one.shape != "secret"]
    settings = {one: str(plan.settings.get(one, "")).replace("\r\n", "\n").strip() for one in known}
    if sum(map(len, settings.values())) > LONGEST:
        problems["settings"] = f"That is longer than {LONGEST} characters."
    takes_secret = len(known) < len(kind.TOLD.fields)
    kept = unseal(of.secret) if of else ""
    secret = (kept if plan.secret is None else plan.secret.strip()) if takes_secret else ""
    if of and plan.secret is None and settings.get("address") != of.settings.get("address"):
        problems["secret"] = "Type the credential anew: it was given for another address."
    problems = {**kind.check(Asked(settings, secret)), **problems}
    if problems:
        raise StoreWrong(problems)
    return SecretStore(name=name, kind=word, settings=settings, secret=seal(secret))


def _record(kind: str, store: SecretStore, by: User | None) -> None:
    facts: dict[str, Any] = {"name": store.name, "store_kind": store.kind}
    events.record(kind, by.username if by else "", **facts)
