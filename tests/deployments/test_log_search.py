"""Where words stand in a log: as a reader sees its text, whole, and in bounded time."""

import pytest

from deployments import log_search
from deployments.log_search import search, visible
from deployments.models import Deploy
from tests.builders import make_deploy, make_lines

pytestmark = [pytest.mark.django_db, pytest.mark.both_databases]


def make(*texts: str) -> Deploy:
    deploy = make_deploy()
    make_lines(deploy=deploy, texts=list(texts))
    return deploy


@pytest.mark.parametrize(
    ("words", "hits"),
    [
        ("needle", [2, 5]),
        ("NEEDLE", [2, 5]),
        ("100%", [3]),
        ("_", [4]),
        ("\\", [4]),
        ("'; drop", [6]),
        ("größe", [7]),
        ("GRÖSSE", []),
        ("red needle", [5]),
        ("javascript", []),
        (".", []),
        ("a\nneedle", []),
    ],
)
def test_words_are_taken_to_the_letter(words: str, hits: list[int]) -> None:
    deploy = make(
        "a",
        "Needle in hay",
        "100% done",
        "under_score \\ back",
        "\x1b[31mred\x1b[0m nee\x1b[1mdle",
        "Robert'; DROP",
        "Größe",
        "\x1b]8;;javascript:x\x1b\\link\x1b]8;;\x07",
    )
    assert search(deploy.pk, words).hits == hits


def test_it_goes_on_where_it_was() -> None:
    deploy = make_deploy()
    for n in range(40):
        make_lines(deploy=deploy, texts=[f"a {n}", "needle", "b"], host=f"web{n % 2}")
    every = [3 * n + 2 for n in range(40)]
    assert search(deploy.pk, "needle").hits == every
    assert search(deploy.pk, "needle", start=60).hits == [n for n in every if n >= 60]
    of_one = search(deploy.pk, "needle", host="web1")
    assert (of_one.hits, of_one.done) == (every[1::2], True)


def test_it_stops_when_its_time_is_over_and_says_where(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(log_search, "PIECE_CHUNKS", 3)
    deploy = make_deploy()
    for _ in range(10):
        make_lines(deploy=deploy, texts=["needle", "hay"])
    hits: list[int] = []
    start, asked = 1, 0
    while True:
        found = search(deploy.pk, "needle", start=start, seconds=0)
        hits += found.hits
        start, asked = found.searched + 1, asked + 1
        if found.done:
            break
    assert hits == list(range(1, 21, 2))
    assert (found.searched, asked) == (20, 4)


def test_very_many_hits_come_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(log_search, "MOST_HITS", 7)
    deploy = make(*["needle"] * 18)
    first = search(deploy.pk, "needle")
    assert (first.hits, first.searched, first.done) == (list(range(1, 8)), 7, False)
    second = search(deploy.pk, "needle", start=8)
    third = search(deploy.pk, "needle", start=15)
    assert first.hits + second.hits + third.hits == list(range(1, 19))
    assert (third.searched, third.done) == (18, True)


def test_what_a_terminal_swallows_is_not_seen() -> None:
    assert visible("\x1b[1;31mred\x1b[0m \x1b]0;title\x07plain \x1b]8;;http://x\x1b\\link\x1b]8;;\x1b\\\x1b7") == (
        "red plain link\x1b7"
    )
