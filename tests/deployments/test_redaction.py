"""No secret comes out, in whatever form and however it was cut; and not one other byte is lost."""

import base64
import shlex
import urllib.parse

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deployments.redaction import MASK, Redactor, forms, masked

PEM = (
    "-----BEGIN OPENSSH PRIVATE KEY-----\n"
    "b3BlbnNzaC1rZXktdjEAAAAABG5vbmUAAAAEbm9uZQAAAAAAAAABAAAAMwAAAAtzc2gt\n"
    "ZWQyNTUxOQAAACDJ0p9Yx3r8mQ1sZ8kq5n2d7v4b6w0e1r2t3y4u5i6o7p==\n"
    "-----END OPENSSH PRIVATE KEY-----\n"
)
SECRET = "s3cr3t+/=' wörd$"


def redact(secrets: list[str], pieces: list[bytes]) -> bytes:
    redactor = Redactor(secrets)
    out = [literal.data for piece in pieces for literal in redactor.feed(piece)]
    return b"".join([*out, *(literal.data for literal in redactor.end())])


def shown(secret: str) -> dict[str, bytes]:
    raw = secret.encode()
    return {
        "raw": raw,
        "url": urllib.parse.quote(secret, safe="").encode(),
        "form": urllib.parse.quote_plus(secret).encode(),
        "shell": shlex.quote(secret).encode(),
        "base64": base64.b64encode(raw),
        "url base64": base64.urlsafe_b64encode(raw),
        "hex": raw.hex().encode(),
        "HEX": raw.hex().upper().encode(),
    }


@pytest.mark.parametrize("form", shown(SECRET))
def test_each_form_is_replaced_split_at_each_byte(form: str) -> None:
    text = b"before " + shown(SECRET)[form] + b" after\n"
    for cut in range(len(text) + 1):
        assert redact([SECRET], [text[:cut], text[cut:]]) == b"before *** after\n"
    assert redact([SECRET], [bytes([byte]) for byte in text]) == b"before *** after\n"


@pytest.mark.parametrize("before", ["", "u", "ci", "ci:", "user:"])
@pytest.mark.parametrize("after", ["", "\n", "ab"])
def test_it_is_replaced_within_the_base64_of_a_longer_text(before: str, after: str) -> None:
    """As `echo "$TOKEN" | base64` prints it, or an Authorization header."""
    secret = "correct-horse-battery"
    for encode in (base64.b64encode, base64.urlsafe_b64encode):
        out = redact([secret], [encode(f"{before}{secret}{after}".encode())])
        assert b"***" in out
        assert len(out) <= 3 + 4 + len(encode(before.encode())) + len(encode(after.encode()))


def test_a_key_is_replaced_in_lines_of_base64() -> None:
    lines = base64.encodebytes(PEM.encode()).splitlines()
    assert len(lines) > 3
    assert set(redact([PEM], [b"\n".join(lines)]).split(b"\n")) == {b"***"}


@pytest.mark.parametrize("end_of_line", [b"\n", b"\r\n"])
def test_a_key_of_many_lines_is_replaced_split_at_each_byte(end_of_line: bytes) -> None:
    text = b"key:\n" + PEM.encode().replace(b"\n", end_of_line) + b"done\n"
    for cut in range(len(text) + 1):
        out = redact([PEM], [text[:cut], text[cut:]])
        assert all(line.encode() not in out for line in PEM.splitlines())
        assert out.startswith(b"key:\n")
        assert out.endswith(b"done\n")


def test_a_single_line_of_a_key_is_a_secret_too() -> None:
    line = PEM.splitlines()[1].encode()
    assert redact([PEM], [b"+ echo ", line, b"\n"]) == b"+ echo ***\n"


def test_what_only_begins_like_a_secret_comes_out_in_the_end() -> None:
    redactor = Redactor(["hunter2-hunter2"])
    held = b"".join(literal.data for literal in redactor.feed(b"I am a hunter2-hun"))
    assert held == b"I am a "
    assert b"".join(literal.data for literal in redactor.end()) == b"hunter2-hun"


def test_of_two_secrets_the_longer_wins() -> None:
    assert redact(["password", "password-of-root"], [b"password-of", b"-root password!"]) == b"*** ***!"


def test_it_tells_where_each_piece_stood() -> None:
    redactor = Redactor(["sesame"], 100)
    pieces = [*redactor.feed(b"open ses"), *redactor.feed(b"ame now"), *redactor.end()]
    assert [(piece.start, piece.data) for piece in pieces] == [(100, b"open "), (105, MASK), (111, b" now")]


def test_what_is_too_short_is_left() -> None:
    assert redact(["abc", ""], [b"abc abc"]) == b"abc abc"


secrets = st.text(alphabet="abcXYZ019+/=' $\nä", min_size=8, max_size=24).filter(lambda text: len(text.strip()) >= 8)
plain = st.text(alphabet="abcxyz \n\r\x1e'", max_size=40)


@settings(max_examples=250, deadline=None)
@given(
    st.lists(secrets, min_size=1, max_size=3),
    st.lists(st.tuples(st.integers(0, 2), st.integers(0, 7), plain), max_size=6),
    st.lists(st.integers(1, 9), min_size=1, max_size=40),
)
def test_whatever_the_pieces_no_form_comes_out(
    known: list[str], told: list[tuple[int, int, str]], cuts: list[int]
) -> None:
    text = b"".join(
        list(shown(known[which % len(known)]).values())[form] + after.encode() for which, form, after in told
    )
    pieces, at, turn = [], 0, 0
    while at < len(text):
        pieces.append(text[at : at + cuts[turn % len(cuts)]])
        at, turn = at + cuts[turn % len(cuts)], turn + 1
    out = redact(known, pieces)
    assert out == redact(known, [text]), "how it was cut makes no difference"
    assert out == masked(text, frozenset(known)), "nor that it is one text"
    for part in out.split(MASK):  # a mask between two pieces may by chance complete a form: look at each piece
        assert not [form for secret in known for form in forms(secret) if form in part]


@settings(max_examples=150, deadline=None)
@given(st.binary(max_size=300), st.lists(st.integers(1, 50), min_size=1, max_size=10))
def test_without_a_secret_in_it_every_byte_comes_out(data: bytes, cuts: list[int]) -> None:
    known = ["Unlikely-Secret-1", PEM]
    pieces = [data[sum(cuts[:n]) : sum(cuts[: n + 1])] for n in range(len(cuts))] + [data[sum(cuts) :]]
    assert redact(known, pieces) == data
