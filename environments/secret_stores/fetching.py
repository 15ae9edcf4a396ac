"""Asking for secrets that lie elsewhere: each store once for all that is wanted of it."""

from collections.abc import Callable, Iterable

from environments.models import SecretStore
from environments.secret_stores import keeping, kinds, remembering
from environments.secret_stores.errors import NotFetched
from environments.secret_stores.references import Found, Reference


def fetch(wanted: Iterable[Reference], *, interrupted: Callable[[], bool] = lambda: False) -> dict[Reference, Found]:
    """Everything, or NotFetched, whose `reference` has at least the store. Raises CannotOpen too."""
    by_store: dict[str, list[Reference]] = {}
    for reference in sorted(set(wanted)):
        by_store.setdefault(reference.store, []).append(reference)
    stores = {store.name: store for store in SecretStore.objects.filter(name__in=by_store)}
    found: dict[Reference, Found] = {}
    for name, references in by_store.items():
        found |= _of_one(name, stores.get(name), references, interrupted)
    remembering.note_versions({(one.store, one.path): said.version for one, said in found.items()})
    return found


def _of_one(
    name: str, store: SecretStore | None, references: list[Reference], interrupted: Callable[[], bool]
) -> dict[Reference, Found]:
    if store is None:
        told = "There is no secret store of that name any more. Set it up again in Settings, Secret stores."
        raise NotFetched(told, Reference(name))
    try:
        found = kinds.find(store.kind).fetch(keeping.asked(store), references, interrupted)
    except NotFetched as error:
        keeping.note(store, str(error))
        raise NotFetched(str(error), error.reference or Reference(name)) from None
    keeping.note(store, "")
    return found
