"""One request to a provider: bounded, and not to everywhere."""

import socket
from contextlib import ExitStack
from typing import Any

import pytest

from environments.providers import asking
from environments.providers.errors import NoAnswer
from tests.environments.secret_stores import vault
from tests.environments.sources.server import serving
from tests.patience import Wait


@pytest.mark.parametrize("address", ["169.254.169.254", "fe80::1", "fd00:ec2::254", "100.100.100.200", "0.0.0.0"])
def test_where_clouds_keep_credentials_nobody_is_asked(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """By whatever name; of several addresses one is enough to refuse."""
    rows: list[Any] = [(0, 0, 0, "", (one, 443)) for one in ("127.0.0.1", address)]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: rows)
    with pytest.raises(NoAnswer, match="which is not asked"):
        asking.ask("https://id.example.com/keys", seconds=1)


def test_an_answer_has_an_end() -> None:
    with serving() as server:
        server.body = b"[" + b" " * asking.MOST_BYTES + b"]"
        with pytest.raises(NoAnswer, match="more than 1 MB"):
            asking.ask(f"{server.address}/keys")


def test_what_is_no_object_says_nothing() -> None:
    with serving() as server:
        for body in (b"", b"[1]", b"nonsense", b"[" * 100_000, b"\xff\xfe"):
            server.body = body
            assert asking.ask(f"{server.address}/keys").said == {}


def free() -> int:
    """How many could be asked at once now."""
    return vars(asking._AT_ONCE)["_value"]  # type: ignore[no-any-return]


def test_no_more_than_a_few_wait_at_once() -> None:
    """A provider that hangs must not take all threads of the web process."""
    with serving() as server, ExitStack() as others:
        for _ in range(free()):
            others.enter_context(asking._AT_ONCE)
        with pytest.raises(NoAnswer, match="Too many wait"):
            asking.ask(f"{server.address}/keys", seconds=0.05)
        others.close()
        assert asking.ask(f"{server.address}/keys", seconds=30).status == 200


def test_who_drips_is_left(eventually: Wait) -> None:
    """It is never silent for long; whoever waits has an answer in time, and the thread ends."""
    with vault.serving() as server:
        server.drips, server.answers = True, (200, b"{" + b" " * 10_000 + b"}")  # for eight minutes
        with pytest.raises(NoAnswer, match="did not answer within"):
            asking.ask(server.address, seconds=0.3)
        eventually(lambda: free() == 8)
