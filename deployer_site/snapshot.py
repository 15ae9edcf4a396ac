"""A view of the whole database at one moment, while everybody goes on writing."""

from collections.abc import Iterator
from contextlib import contextmanager

from django.db import DEFAULT_DB_ALIAS, connection, connections, transaction


@contextmanager
def snapshot() -> Iterator[None]:
    """All that is read inside is as it was at the first read."""
    if connection.vendor != "sqlite":
        with transaction.atomic():
            with connection.cursor() as cursor:
                cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
            yield
        return
    # Our transactions take the write lock at their begin; one that only reads must not keep the others out.
    connection.ensure_connection()
    usual = vars(connections[DEFAULT_DB_ALIAS])["transaction_mode"]
    _begin_with("DEFERRED")
    try:
        with transaction.atomic():
            yield
    finally:
        _begin_with(usual)


def _begin_with(mode: str) -> None:
    # Django documents the option, and keeps it here once connected; the stubs do not know it.
    setattr(connections[DEFAULT_DB_ALIAS], "transaction_mode", mode)  # noqa: B010
