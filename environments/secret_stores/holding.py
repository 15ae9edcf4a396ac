"""A store is there as long as somebody refers to it: whoever does, and whoever removes it, holds its row."""

from environments.models import SecretStore
from environments.secret_stores.errors import NoSuchStore


def hold(name: str) -> None:
    """Keep a store from being removed, to the end of the transaction. Raises NoSuchStore."""
    if not SecretStore.objects.select_for_update(no_key=True).filter(name=name).first():
        raise NoSuchStore(f"There is no secret store {name[:63]!r} any more. Nothing was changed.")
