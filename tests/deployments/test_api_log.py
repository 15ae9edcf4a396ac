"""The stored log: as JSON lines by the API, and as text."""

import hashlib
import json
from collections.abc import Iterator

import pytest
from django.test import AsyncClient, Client

from deployments import log, log_reading
from deployments.models import Deploy
from environments.models import User
from tests.builders import make_deploy, make_lines, make_target, make_token, make_user
from tests.deployments.api_client import API, api_of, check_problem, read_stream
from tests.deployments.readers import close_readers

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.both_databases]


@pytest.fixture(autouse=True, scope="module")
def _readers() -> Iterator[None]:
    yield
    close_readers()


class Logged:
    """A deploy with a log of three hosts, in many chunks."""

    def __init__(self) -> None:
        self.deploy: Deploy = make_deploy(target=make_target())
        self.texts: list[str] = []
        for chunk in range(30):
            texts = [f"\x1b[32mstep {chunk}.{line}\x1b[0m <b>ü & 😀" for line in range(1 + chunk % 7)]
            make_lines(deploy=self.deploy, texts=texts, host=("", "web1", "web2")[chunk % 3])
            self.texts += texts
        self.token = make_token(user=make_user(role="viewer"))
        self.user: User = make_user(role="viewer")
        self.lines, self.sha256 = log.digest(self.deploy.pk)


@pytest.fixture
def logged() -> Logged:
    return Logged()


async def read_lines(logged: Logged, query: str = "") -> list[dict[str, object]]:
    status, text = await read_stream(f"/api/v1/deploys/{logged.deploy.pk}/log{query}", logged.token)
    assert status == 200, text
    return [json.loads(line) for line in text.splitlines()]


async def test_every_line_comes_once_and_in_order(logged: Logged, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(log_reading, "PIECE_CHUNKS", 2)
    lines = await read_lines(logged)
    assert [line["n"] for line in lines] == list(range(1, logged.lines + 1))
    assert [line["text"] for line in lines] == logged.texts
    assert set(lines[0]) == {"n", "host", "at", "stream", "text"}


@pytest.mark.parametrize("start", [1, 2, 7, 50])
async def test_it_begins_where_one_asks(start: int, logged: Logged) -> None:
    lines = await read_lines(logged, f"?from={start}")
    assert [line["n"] for line in lines] == list(range(start, logged.lines + 1))


async def test_beyond_the_end_there_is_nothing(logged: Logged) -> None:
    assert await read_lines(logged, f"?from={logged.lines + 1}") == []


async def test_of_one_host_only(logged: Logged) -> None:
    lines = await read_lines(logged, "?host=web2&from=10")
    expected = [line for line in await read_lines(logged, "?from=10") if line["host"] == "web2"]
    assert lines == expected
    assert lines
    assert await read_lines(logged, "?host=unknown") == []


@pytest.mark.parametrize(("start", "until"), [(1, 1), (5, 7), (40, 10**6)])
async def test_a_window_of_it(start: int, until: int, logged: Logged, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(log_reading, "PIECE_CHUNKS", 2)
    lines = await read_lines(logged, f"?from={start}&until={until}")
    assert [line["n"] for line in lines] == list(range(start, min(until, logged.lines) + 1))


async def test_a_window_without_a_line_of_that_host_is_empty(logged: Logged) -> None:
    assert await read_lines(logged, "?from=1&until=1&host=web2") == []


def test_words_are_searched_in_any_case_and_through_colours(logged: Logged) -> None:
    search = f"deploys/{logged.deploy.pk}/log/search"
    api = API(logged.token)
    wanted = [n for n, text in enumerate(logged.texts, 1) if "step 4." in text]
    assert wanted
    assert api.get(search, q="STEP 4.").json() == {"hits": wanted, "searched": logged.lines, "done": True}
    assert api.get(search, q="step 4.", **{"from": wanted[1]}).json()["hits"] == wanted[1:]
    assert api.get(search, q="[32m").json()["hits"] == []
    found = api.get(search, q="step", host="web1").json()["hits"]
    assert found
    assert len(found) < logged.lines


@pytest.mark.parametrize("query", [{}, {"q": ""}, {"q": "x" * 201}, {"q": "x", "from": "0"}, {"q": "x", "until": "3"}])
def test_a_search_for_nothing_is_refused(query: dict[str, str]) -> None:
    check_problem(api_of().get(f"deploys/{make_deploy().pk}/log/search", **query), 400, "unacceptable")


@pytest.mark.parametrize(
    "query",
    [
        {"from": "0"},
        {"from": "x"},
        {"from": str(2**63)},
        {"until": "0"},
        {"from": "3", "until": "2"},
        {"host": "a b"},
        {"follow": "1"},
    ],
)
def test_a_wrong_parameter_is_refused(query: dict[str, str]) -> None:
    check_problem(api_of().get(f"deploys/{make_deploy().pk}/log", **query), 400, "unacceptable")


def test_no_such_deploy() -> None:
    check_problem(api_of().get("deploys/987654/log"), 404, "not-found")


async def test_as_text_with_time_and_host(logged: Logged) -> None:
    status, text = await read_stream(f"/deploys/{logged.deploy.pk}/log.txt", user=logged.user)
    lines = await read_lines(logged)
    assert status == 200
    expected = [f"{line['at']} {line['host'] or '-'} {line['text']}" for line in lines]
    assert text.split("\n") == [*expected, ""]


async def test_the_plain_text_has_the_digest_that_the_api_tells(logged: Logged) -> None:
    _, text = await read_stream(f"/deploys/{logged.deploy.pk}/log.txt?plain=1", user=logged.user)
    assert hashlib.sha256(text.encode()).hexdigest() == logged.sha256
    assert text.count("\n") == logged.lines


async def test_text_of_one_host(logged: Logged) -> None:
    _, text = await read_stream(f"/deploys/{logged.deploy.pk}/log.txt?host=web1&plain=1", user=logged.user)
    assert text.splitlines() == [str(line["text"]) for line in await read_lines(logged, "?host=web1")]


async def test_no_browser_takes_a_log_for_a_page(logged: Logged) -> None:
    client = AsyncClient()
    await client.aforce_login(logged.user)
    answer = await client.get(f"/deploys/{logged.deploy.pk}/log.txt")
    assert answer["Content-Type"] == "text/plain; charset=utf-8"
    assert answer["X-Content-Type-Options"] == "nosniff"


@pytest.mark.parametrize(("path", "status"), [("987654/log.txt", 404), ("{pk}/log.txt?host=a%20b", 400)])
def test_text_of_what_is_not_there(path: str, status: int) -> None:
    client = Client()
    client.force_login(make_user(role="viewer"))
    assert client.get("/deploys/" + path.format(pk=make_deploy().pk)).status_code == status


def test_text_needs_someone_who_signed_in() -> None:
    assert Client().get(f"/deploys/{make_deploy().pk}/log.txt").status_code == 302
