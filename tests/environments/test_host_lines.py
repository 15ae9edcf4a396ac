"""Hosts as people paste them."""

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as some

from environments import host_lines
from environments.host_lines import LinesWrong, Place

BASTION = Place("jump", "bastion.example.com", 2200)


@pytest.mark.parametrize(
    ("line", "place"),
    [
        ("deploy@web-1.example.com", Place("deploy", "web-1.example.com", 22)),
        ("  deploy@WEB-1.example.com:2222  # the first", Place("deploy", "web-1.example.com", 2222)),
        ("deploy@10.0.0.7:2222", Place("deploy", "10.0.0.7", 2222)),
        ("deploy@[2001:db8::7]:2222", Place("deploy", "2001:db8::7", 2222)),
        ("deploy@2001:db8::7", Place("deploy", "2001:db8::7", 22)),
        ("ssh -p 2222 deploy@web-1", Place("deploy", "web-1", 2222)),
        ("ssh -l deploy -i ~/.ssh/id web-1", Place("deploy", "web-1", 22)),
    ],
)
def test_a_line_is_a_host(line: str, place: Place) -> None:
    (found,) = host_lines.read(line)
    assert (found.place, found.via, found.name) == (place, None, "")


def test_comments_bastions_and_names() -> None:
    found = host_lines.read(
        "# all of ours\n"
        "deploy@web-1.internal via jump@bastion.example.com:2200\n"
        "\n"
        "via jump@bastion.example.com:2200\n"
        "deploy@web-2.internal as second\n"
        "ssh -J other@elsewhere deploy@web-3.internal\n"
    )
    assert [(line.number, line.place.address, line.name) for line in found] == [
        (2, "web-1.internal", ""),
        (5, "web-2.internal", "second"),
        (6, "web-3.internal", ""),
    ]
    assert [line.via for line in found] == [BASTION, BASTION, Place("other", "elsewhere", 22)]


@pytest.mark.parametrize(
    ("text", "number", "told"),
    [
        ("web-1", 1, "Who signs in on web-1"),
        ("\ndeploy@", 2, "is no host"),
        ("deploy@web-1:99999", 1, "99999 is no port"),
        ("deploy@web-1:0", 1, "0 is no port"),
        ("deploy@web_1", 1, "no host name"),
        ("-oProxyCommand=x@web-1", 1, "no user name"),
        ("deploy@web-1 and deploy@web-2", 1, "is no host"),
        ("deploy@web-1 via", 1, "is no host"),
        ("deploy@web-1 as Web", 1, "lower-case"),
        ("deploy@web-1\ndeploy@web-2\nroot@WEB-1", 3, "stands in line 1 already"),
        ("ssh -o ProxyCommand=x deploy@web-1", 1, "-o means nothing here"),
        ("ssh 'deploy@web-1", 1, "quotation"),
        ("ssh deploy@web-1 uptime", 1, "only its options and its host"),
    ],
)
def test_what_is_wrong_is_told_by_its_line(text: str, number: int, told: str) -> None:
    with pytest.raises(LinesWrong) as refused:
        host_lines.read(text)
    assert told in refused.value.problems[number]
    assert list(refused.value.problems) == [number]


def test_a_usual_user_stands_for_none() -> None:
    assert host_lines.read("web-1", user="deploy")[0].place == Place("deploy", "web-1", 22)


def test_more_lines_than_anybody_means_are_refused() -> None:
    with pytest.raises(LinesWrong, match="at most"):
        host_lines.read("\n" * (host_lines.MOST_LINES + 1))


@pytest.mark.parametrize(
    ("place", "taken", "name"),
    [
        (Place("x", "web-1.example.com", 22), set(), "web-1"),
        (Place("x", "web-1.example.com", 22), {"web-1"}, "web-1-example-com"),
        (Place("x", "10.0.0.7", 22), set(), "10-0-0-7"),
        (Place("x", "127.0.0.1", 2222), {"127-0-0-1"}, "127-0-0-1-2222"),
        (Place("x", "2001:db8::7", 22), set(), "2001-db8-7"),
        (Place("x", "a" * 60 + ".example.com", 22), set(), "a" * 56),
    ],
)
def test_a_name_is_made_of_the_address(place: Place, taken: set[str], name: str) -> None:
    assert host_lines.name_of(place, taken) == name


@given(some.text(max_size=200))
def test_anything_is_read_or_refused(text: str) -> None:
    with suppress(LinesWrong):
        assert all(line.place.user and 1 <= line.place.port <= 65535 for line in host_lines.read(text))
