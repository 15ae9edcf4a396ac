"""Windows of a log by place: of all hosts, and of one whose lines lie apart."""

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from deployments import log_windows
from deployments.log_windows import count_lines, place_of, read_window
from deployments.models import Deploy
from tests.builders import make_deploy, make_lines

pytestmark = [pytest.mark.django_db, pytest.mark.both_databases]
SIZES = [3, 1, 7, 2, 5, 1, 1, 9, 4, 6]  # lines of the chunks, by turns of web0 and web1


@pytest.fixture
def deploy() -> Deploy:
    made = make_deploy()
    n = 0
    for turn, size in enumerate(SIZES):
        make_lines(deploy=made, texts=[f"line {n + place + 1}" for place in range(size)], host=f"web{turn % 2}")
        n += size
    return made


def numbers(deploy: Deploy, host: str) -> list[int]:
    """What the windows should say: the line numbers of a host, counted by hand."""
    found: list[int] = []
    n = 0
    for turn, size in enumerate(SIZES):
        if not host or host == f"web{turn % 2}":
            found += range(n + 1, n + size + 1)
        n += size
    return found


@pytest.mark.parametrize("host", ["", "web0", "web1", "none"])
def test_every_window_of_every_place(deploy: Deploy, host: str) -> None:
    expected = numbers(deploy, host)
    assert count_lines(deploy.pk, host) == len(expected)
    for at in range(len(expected) + 2):
        for most in (1, 4, 100):
            found = read_window(deploy.pk, host=host, at=at, most=most)
            assert (found.total, found.at) == (len(expected), at)
            assert [line.n for line in found.lines] == expected[at : at + most]
            assert all(line.text == f"line {line.n}" for line in found.lines)


@pytest.mark.parametrize("host", ["", "web0", "web1"])
def test_a_window_around_a_line(deploy: Deploy, host: str) -> None:
    expected = numbers(deploy, host)
    for n in range(1, sum(SIZES) + 3):
        place = sum(number < n for number in expected)
        assert place_of(deploy.pk, n, host) == place or n > sum(SIZES)
        found = read_window(deploy.pk, host=host, n=n, most=5)
        assert found.at == max(0, min(place - 2, len(expected) - 5))
        assert [line.n for line in found.lines] == expected[found.at : found.at + 5]


@pytest.mark.parametrize("host", ["", "web0", "web1"])
def test_the_end_is_what_one_gets_without_a_place(deploy: Deploy, host: str) -> None:
    expected = numbers(deploy, host)
    found = read_window(deploy.pk, host=host, most=8)
    assert [line.n for line in found.lines] == expected[-8:]


def test_a_log_without_lines() -> None:
    found = read_window(make_deploy().pk)
    assert (found.total, found.at, found.lines) == (0, 0, [])


def test_long_lines_make_a_window_end_early(deploy: Deploy, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(log_windows, "MOST_CHARACTERS", 20)
    assert [line.n for line in read_window(deploy.pk, at=0).lines] == [1, 2, 3]
    make_lines(deploy=deploy, texts=["x" * 100])
    assert [len(line.text) for line in read_window(deploy.pk, at=sum(SIZES)).lines] == [100]


@pytest.mark.parametrize("host", ["", "web0"])
def test_the_queries_do_not_grow_with_the_log(deploy: Deploy, host: str) -> None:
    def queries() -> int:
        with CaptureQueriesContext(connection) as caught:
            read_window(deploy.pk, host=host, at=0, most=5)
        return len(caught)

    few = queries()
    for turn in range(200):
        make_lines(deploy=deploy, texts=["more"], host=f"web{turn % 2}")
    assert queries() == few <= 4
