"""A page of a thousand hosts reads thousands of times, and Django reads each of them by a pattern and then once more.

Django wants a backend to be a module of this name with this class.
"""

from datetime import UTC, datetime
from typing import Any

from django.db.backends.postgresql import base
from django.db.backends.postgresql.psycopg_any import BaseTzLoader


class TimeLoader(BaseTzLoader):  # type: ignore[misc]  # Django's stubs do not know it
    """A time as PostgreSQL writes it to a connection in UTC; what Python cannot read so is left to psycopg."""

    timezone = UTC

    def load(self, data: Any) -> datetime:
        try:
            found = datetime.fromisoformat(bytes(data).decode())
        except ValueError:
            found = super().load(data)
        return found if found.tzinfo is UTC else found.astimezone(UTC)


class DatabaseWrapper(base.DatabaseWrapper):
    def get_new_connection(self, conn_params: dict[str, Any]) -> Any:
        connection = super().get_new_connection(conn_params)
        connection.adapters.register_loader("timestamptz", TimeLoader)
        return connection
