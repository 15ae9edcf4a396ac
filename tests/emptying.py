"""Emptying the database after a test that commits: what would be the same again is kept, and no file is made anew.

Django would write all permissions and content types again, and TRUNCATE makes new files for every table and index;
for most tests both take longer than the test.
"""

from typing import Any

import pytest
from django.core.management.commands import flush

KEPT = {"auth_permission", "django_content_type"}


def sql_flush(style: Any, connection: Any, reset_sequences: bool = True, allow_cascade: bool = False) -> list[str]:
    """The statements, as Django's own function of this name gives them."""
    del allow_cascade
    found = connection.introspection.django_table_names(only_existing=True, include_views=False)
    tables = [table for table in found if table not in KEPT]
    if reset_sequences or connection.vendor != "postgresql":
        statements: list[str] = connection.ops.sql_flush(style, tables, reset_sequences=reset_sequences)
        return statements
    # Without the first one their order would matter: rows point to each other.
    emptied = [f"DELETE FROM {connection.ops.quote_name(table)};" for table in tables]
    return ["SET LOCAL session_replication_role = replica;", *emptied]


def nothing_anew(*_: Any, **__: Any) -> None:
    """What follows a migration was done after the only one."""


@pytest.fixture(scope="session", autouse=True)
def quick_emptying() -> Any:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(flush, "sql_flush", sql_flush)
        patch.setattr(flush, "emit_post_migrate_signal", nothing_anew)
        yield
