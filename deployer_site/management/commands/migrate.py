"""Django's own `migrate`, which may rest in its transaction for as long as it thinks."""

from typing import Any

from django.core.management.commands import migrate
from django.db import connections


class Command(migrate.Command):
    def handle(self, *args: Any, **options: Any) -> None:
        """On a busy machine it takes longer between two statements than a worker may that has fallen asleep."""
        connection = connections[options["database"]]
        if connection.vendor == "postgresql":
            with connection.cursor() as cursor:
                cursor.execute("SET idle_in_transaction_session_timeout = 0")
        super().handle(*args, **options)
