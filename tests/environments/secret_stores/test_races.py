"""A store is removed while somebody refers to it: one of the two learns of the other."""

from contextlib import suppress
from functools import partial

import pytest

from environments.configuration import referring
from environments.configuration.scopes import Scope
from environments.models import ConfigurationValue, Role, SecretStore
from environments.secret_stores import keeping
from environments.secret_stores.errors import NoSuchStore, StoreInUse
from environments.secret_stores.references import Reference
from tests import builders
from tests.deployments.test_approval_races import at_once

ROUNDS = 8


@pytest.mark.both_databases
@pytest.mark.django_db(transaction=True)
def test_no_value_refers_to_a_store_that_is_gone() -> None:
    ada, target = builders.make_user(role=Role.ADMINISTRATOR), builders.make_target()

    def refer(name: str) -> None:
        with suppress(NoSuchStore):
            referring.set_reference(Scope(target), "TOKEN", Reference(name, "shop"), by=ada)

    def remove(store: SecretStore) -> None:
        with suppress(StoreInUse):
            keeping.remove(store, by=ada)

    for number in range(ROUNDS):
        store = SecretStore.objects.create(name=f"s{number}", kind="command", settings={"command": "/bin/cat {}"})
        at_once(partial(refer, store.name), partial(remove, store), partial(refer, store.name))
        value = ConfigurationValue.objects.filter(name="TOKEN", latest=True).first()
        refers = value is not None and value.reference is not None and value.reference.store == store.name
        assert refers == SecretStore.objects.filter(pk=store.pk).exists()
