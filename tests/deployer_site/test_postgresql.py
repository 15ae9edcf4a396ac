import time
from datetime import UTC, datetime, timedelta

import psycopg
import pytest
from django.core.management import call_command
from django.db import connection, transaction
from django.db.backends.postgresql.psycopg_any import BaseTzLoader

from deployer_site.postgresql.base import TimeLoader

OID = psycopg.adapters.types["timestamptz"].oid


class Django(BaseTzLoader):  # type: ignore[misc]  # Django's stubs do not know it
    timezone = UTC


@pytest.mark.parametrize(
    "text",
    [
        "2026-11-30 04:09:25.804453+00",
        "2026-11-30 04:09:25.8+00",
        "2026-11-30 04:09:25+00",
        "1969-12-31 23:59:59.999999+00",
        "0001-01-01 00:00:00+00",
    ],
)
def test_a_time_is_what_django_reads(text: str) -> None:
    found = TimeLoader(OID).load(text.encode())
    assert found == Django(OID).load(text.encode())
    assert found.tzinfo is UTC


def test_a_time_of_another_zone_is_told_in_ours() -> None:
    found = TimeLoader(OID).load(b"2026-11-30 06:09:25+02")
    assert (found, found.tzinfo) == (datetime(2026, 11, 30, 4, 9, 25, tzinfo=UTC), UTC)


@pytest.mark.parametrize("text", ["infinity", "-infinity", "0044-03-15 12:00:00+00 BC", "10000-01-01 00:00:00+00"])
def test_what_is_no_time_of_python_is_refused_as_ever(text: str) -> None:
    with pytest.raises(psycopg.DataError):
        TimeLoader(OID).load(text.encode())


@pytest.mark.both_databases
@pytest.mark.django_db
def test_a_connection_reads_times_so() -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT CURRENT_TIMESTAMP")
        found = cursor.fetchone()[0]
    if connection.vendor == "postgresql":
        assert (found.tzinfo, abs(datetime.now(UTC) - found) < timedelta(days=1)) == (UTC, True)
        kind = connection.connection.adapters.get_loader(OID, psycopg.pq.Format.TEXT)
        assert kind is TimeLoader


@pytest.mark.both_databases
@pytest.mark.django_db(transaction=True)
def test_a_migration_may_rest_longer_than_a_worker() -> None:
    """Which PostgreSQL ends after a while, so that one that sleeps keeps no rows."""
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("SET idle_in_transaction_session_timeout = 100")
    call_command("migrate", verbosity=0, skip_checks=True)
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SELECT 1")
        time.sleep(0.3)  # what the limit of the session is about
        cursor.execute("SELECT 2")
        assert cursor.fetchone()[0] == 2
    connection.close()
