"""Values that refer to a secret that lies elsewhere. Only administrators set one: it is asked for with a credential of
the installation, or by a program that runs on workers."""

from django.db import transaction

from environments import access
from environments.configuration import changing
from environments.configuration.errors import ValueRefused
from environments.configuration.names import check_name
from environments.configuration.scopes import Scope
from environments.models import ConfigurationValue, User, ValueKind
from environments.secret_stores import holding, keeping, kinds
from environments.secret_stores.references import Reference, problem_of


def set_reference(scope: Scope, name: str, reference: Reference, *, by: User | None) -> ConfigurationValue | None:
    """From then on deploys ask for it. None when that is what it is already. Nobody is asked for anything now.

    Raises NotAllowed, NameRefused, NoSuchStore, ValueRefused, NotFetched for a kind that is not there.
    """
    access.require(by, access.ADMINISTER)
    check_name(name)
    store = keeping.find(reference.store)
    problem = problem_of(reference) or kinds.find(store.kind).check_reference(keeping.asked(store), reference)
    if problem:
        raise ValueRefused(f"{name} cannot come from {store.name} so. {problem} Nothing was changed.")
    with transaction.atomic():
        holding.hold(store.name)
        return changing.put(scope, name, ValueKind.OUTSIDE, reference.text, by=by)
