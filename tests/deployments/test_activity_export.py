"""The audit trail as a file. Its reader has threads of its own, whose connections outlive a test's PostgreSQL."""

import csv
import io
from collections.abc import Iterator

import pytest
from asgiref.sync import sync_to_async
from django.test import AsyncClient

from deployments.page_queries import activity
from environments.models import User
from notifications.events import record
from tests import builders
from tests.deployments.readers import close_readers


@pytest.fixture(autouse=True, scope="module")
def _readers() -> Iterator[None]:
    yield
    close_readers()


@pytest.mark.django_db(transaction=True)
async def test_the_export_has_every_event_once_and_no_formula(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(activity, "EXPORTED_AT_ONCE", 4)
    monkeypatch.setattr("deployments.activity_pages.EXPORTED_MOST", 9)
    client = AsyncClient()
    ada = await make_many()
    await client.aforce_login(ada)
    answered = await client.get("/activity.csv?what=hosts")
    assert answered.headers["Content-Type"].startswith("text/csv")
    chunks = [chunk async for chunk in answered.streaming_content]  # type: ignore[attr-defined]
    rows = list(csv.reader(io.StringIO(b"".join(chunks).decode())))
    assert len(chunks) == 4  # the heads, then 4, 4 and 1
    assert len({row[0] for row in rows[1:]}) == len(rows) - 1 == 9
    assert all(row[-1].startswith("'=cmd drained") for row in rows[1:])
    assert (await client.get("/activity.csv?what=nonsense")).status_code == 400


async def make_many() -> User:
    def make() -> User:
        ada = builders.make_user(username="ada")
        for number in range(12):
            record("host.drained", "=cmd", host=f"web-{number}", reason="disk")
        return ada

    return await sync_to_async(make)()
