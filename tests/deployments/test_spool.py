"""From a spool's bytes to lines: however they arrive, and from wherever reading begins again."""

import tracemalloc

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deployments.host_values import Mark
from deployments.spool import LONGEST_LINE, Lines, Marked, SpoolReader, decode

NONCE = "n0nce5eed0n0nce"
SECRET = "correct-horse-battery"
KNOWN = frozenset({SECRET})
MARK = f"\x1e{NONCE} ".encode()


def read(pieces: list[bytes], *, offset: int = 0, known: frozenset[str] = KNOWN) -> list[Lines | Marked]:
    reader = SpoolReader(NONCE, known, offset)
    return [*(item for piece in pieces for item in reader.feed(piece)), *reader.end()]


def told(items: list[Lines | Marked]) -> list[str | Mark]:
    """Lines and marks in their order, without how they were grouped."""
    out: list[str | Mark] = []
    for item in items:
        out += item.texts if isinstance(item, Lines) else [item.mark]
    return out


def cut(data: bytes, sizes: list[int]) -> list[bytes]:
    pieces, at, turn = [], 0, 0
    while at < len(data):
        pieces.append(data[at : at + sizes[turn % len(sizes)]])
        at, turn = at + sizes[turn % len(sizes)], turn + 1
    return pieces


def test_it_reads_lines_and_marks() -> None:
    data = b"one\ntwo\n" + MARK + b"step begin 1 build\nthree" + MARK + b"end ok\n"
    assert told(read([data])) == ["one", "two", Mark("step", "begin 1 build"), "three", Mark("end", "ok")]


def test_a_mark_with_another_nonce_is_only_a_line() -> None:
    assert told(read([b"\x1eother0000 end ok\n"])) == ["\x1eother0000 end ok"]


def test_a_secret_in_a_mark_is_replaced() -> None:
    assert told(read([MARK + b"fail step it said " + SECRET.encode() + b"\n"])) == [Mark("fail", "step it said ***")]


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (b"caf\xc3\xa9", "café"),
        (b"\xff\xfe\x00x", "\\xff\\xfe\\x00x"),
        (b"a\xc3", "a\\xc3"),
        (b"\xed\xa0\x80", "\\xed\\xa0\\x80"),
        (b"\x1b[31mred\x1b[0m", "\x1b[31mred\x1b[0m"),
        (b"done\r", "done"),
        (b" 10%\r 50%\r100%", " 10%\r 50%\r100%"),
    ],
)
def test_any_bytes_become_text(data: bytes, text: str) -> None:
    assert told(read([data + b"\n"])) == [text]
    text.encode()  # a lone surrogate could not be stored
    assert "\x00" not in decode(data)


def test_a_character_split_between_two_pieces_is_whole() -> None:
    assert told(read([b"caf\xc3", b"\xa9\n"])) == ["café"]


def test_a_secret_over_a_line_end_hides_the_line_end_with_it() -> None:
    known = frozenset({"first half\nsecond half"})
    assert told(read([b"a first ha", b"lf\nsecond half b\nc\n"], known=known)) == ["a *** b", "c"]


def test_a_line_of_fifty_megabytes_is_cut_and_takes_little_memory() -> None:
    block = b"x" * (1 << 20)
    reader = SpoolReader(NONCE, KNOWN)
    tracemalloc.start()
    try:
        for _ in range(50):
            assert reader.feed(block) == []
        items = reader.feed(b"\nnext\n")
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert told(items) == ["x" * LONGEST_LINE + _cut_note(), "next"]
    assert isinstance(items[-1], Lines)
    assert items[-1].end == 50 * len(block) + 6
    assert peak < 8 * len(block)


def _cut_note() -> str:
    return f" … [line cut after 64 KB: {50 * (1 << 20) - LONGEST_LINE} more bytes]"


def test_a_line_as_long_as_allowed_is_whole() -> None:
    assert told(read([b"y" * LONGEST_LINE + b"\n"])) == ["y" * LONGEST_LINE]
    assert told(read([b"y" * LONGEST_LINE + b"z\n"])) == [
        "y" * LONGEST_LINE + " … [line cut after 64 KB: 1 more bytes]"
    ]


spools = st.lists(
    st.one_of(
        st.binary(max_size=12),
        st.sampled_from(
            [
                b"\n",
                b"\r\n",
                b"word ",
                b"\x1e",
                SECRET.encode(),
                SECRET.encode()[:9],
                MARK + b"say hello\n",
                MARK + b"step end 1 0\n",
                MARK[:7],
                "ö".encode(),
            ]
        ),
    ),
    max_size=25,
).map(b"".join)
sizes = st.lists(st.integers(1, 30), min_size=1, max_size=12)


@settings(max_examples=300, deadline=None)
@given(spools, sizes)
def test_however_it_is_cut_the_lines_are_the_same(data: bytes, pieces: list[int]) -> None:
    whole, parts = read([data]), read(cut(data, pieces))
    assert told(parts) == told(whole)
    assert all(SECRET not in text for text in told(whole) if isinstance(text, str))
    marks = [(item.mark, item.end) for item in whole if isinstance(item, Marked)]
    assert [(item.mark, item.end) for item in parts if isinstance(item, Marked)] == marks
    ends = [item.end for item in parts]
    assert ends == sorted(ends)
    assert not ends or ends[-1] <= len(data)


@settings(max_examples=300, deadline=None)
@given(spools, sizes, sizes, st.integers(0, 60))
def test_reading_begins_again_at_any_end_without_loss_or_doubling(
    data: bytes, first: list[int], second: list[int], stop: int
) -> None:
    """A worker stores what it got up to some item and dies; another reads on from that item's end."""
    reader = SpoolReader(NONCE, KNOWN)
    items = [item for piece in cut(data, first) for item in reader.feed(piece)]
    stored = items[: stop % (len(items) + 1)]
    at = stored[-1].end if stored else 0
    rest = read(cut(data[at:], second), offset=at)
    assert told(stored) + told(rest) == told(read([data]))
    assert all(item.end <= len(data) for item in rest)
