"""Addresses that people type lead where they may, and nowhere else (attack row A30)."""

import socket
import time
from collections.abc import Iterator
from typing import Any

import pytest

from notifications import outgoing
from notifications.outgoing import AddressRefused, NotReached, post
from tests.notifications.receiver import Receiver, receiving
from tests.ports import closed_port


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as found:
        yield found


INNER = [
    "http://127.0.0.1:{port}/",
    "http://localhost:{port}/",
    "http://2130706433:{port}/",
    "http://0x7f000001:{port}/",
    "http://0177.0.0.1:{port}/",
    "http://127.1:{port}/",
    "http://0:{port}/",
    "http://[::1]:{port}/",
    "http://[::ffff:127.0.0.1]:{port}/",
    "http://[64:ff9b::7f00:1]:{port}/",
    "http://[2002:7f00:1::]:{port}/",
    "http://10.0.0.1:{port}/",
    "http://192.168.1.1:{port}/",
    "http://100.64.0.1:{port}/",
    "http://169.254.169.254/latest/meta-data/",
    "http://[fe80::1]/",
    "http://[fd00:ec2::254]/",
    "http://0.0.0.0:{port}/",
    "http://224.0.0.1/",
]


@pytest.mark.parametrize("address", INNER)
def test_an_inner_address_is_not_asked(address: str, receiver: Receiver) -> None:
    port = receiver.address.rsplit(":", 1)[1].split("/")[0]
    with pytest.raises(AddressRefused, match="is not asked"):
        post(address.format(port=port), b"{}", headers={}, policy="public", seconds=5)
    assert receiver.taken == []


@pytest.mark.parametrize("address", ["http://169.254.169.254/", "http://[fd00:ec2::254]/", "http://0.0.0.0/"])
def test_a_cloud_is_not_asked_for_its_credentials_whatever_the_setting(address: str) -> None:
    with pytest.raises(AddressRefused, match="is not asked"):
        post(address, b"{}", headers={}, policy="private", seconds=5)


@pytest.mark.parametrize(
    "address",
    [
        "file:///etc/passwd",
        "gopher://127.0.0.1:6379/_FLUSHALL",
        "unix:///run/docker.sock",
        "http+unix://%2Frun%2Fdocker.sock/",
        "ftp://example.com/",
        "https://",
        "https://user:word@example.com/",
        "https://example.com/\r\nHost: evil",
        "https://exa mple.com/",
        "https://example.com\\@127.0.0.1/",
        "https://example.com:99999/",
        "https://a..b/",
    ],
)
def test_what_is_no_web_address(address: str) -> None:
    assert outgoing.check_address(address)
    with pytest.raises(AddressRefused):
        post(address, b"{}", headers={}, policy="private", seconds=5)


def test_an_underscore_is_no_way_around(monkeypatch: pytest.MonkeyPatch) -> None:
    answers(monkeypatch, "127.0.0.1")
    with pytest.raises(AddressRefused, match="is not asked"):
        post("http://a_b.host/", b"{}", headers={}, policy="public", seconds=5)


def answers(monkeypatch: pytest.MonkeyPatch, *addresses: str) -> list[str]:
    """A name server that says one thing after the other, as one with a TTL of 0 does; returns what it was asked."""
    asked: list[str] = []
    real = socket.getaddrinfo

    def resolve(host: Any, port: Any, *args: Any, **more: Any) -> Any:
        name = host.decode() if isinstance(host, bytes) else host
        if not name.endswith(".host"):
            return real(host, port, *args, **more)
        asked.append(name)
        return real(addresses[min(len(asked), len(addresses)) - 1], port, *args, **more)

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    return asked


def test_a_name_that_changes_its_mind_is_asked_once(monkeypatch: pytest.MonkeyPatch, receiver: Receiver) -> None:
    """The address that was looked at is the one that is connected to."""
    port = receiver.address.rsplit(":", 1)[1].split("/")[0]
    asked = answers(monkeypatch, "192.0.2.1", "127.0.0.1")
    monkeypatch.setattr(outgoing, "allowed", lambda address, policy: address == "192.0.2.1")
    with pytest.raises(NotReached):
        post(f"http://rebinding.host:{port}/", b"{}", headers={}, policy="public", seconds=1)
    assert asked == ["rebinding.host"]
    assert receiver.taken == []


def test_all_addresses_of_a_name_must_be_allowed(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = [(0, 0, 0, "", ("93.184.215.14", 80)), (0, 0, 0, "", ("10.0.0.1", 80))]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: rows)
    with pytest.raises(AddressRefused, match=r"is 10\.0\.0\.1"):
        outgoing.look_up("both.example", 80, policy="public")


def test_a_redirect_leads_nowhere(receiver: Receiver) -> None:
    receiver.status, receiver.headers = 302, {"Location": receiver.address.replace("/deploys", "/inner")}
    answer = post(receiver.address, b"{}", headers={}, policy="private", seconds=20)
    assert answer.status == 302
    assert [taken.path for taken in receiver.taken] == ["/deploys"]


def test_what_drips_is_left_alone(receiver: Receiver) -> None:
    receiver.drips = True
    began = time.monotonic()
    with pytest.raises(NotReached, match="did not answer within"):
        post(receiver.address, b"{}", headers={}, policy="private", seconds=0.5)
    assert time.monotonic() - began < 10


def test_names_that_nobody_answers_for_hold_nobody_up(monkeypatch: pytest.MonkeyPatch, receiver: Receiver) -> None:
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: receiver.over.wait(60))
    with pytest.raises(NotReached, match=r"slow\.host did not answer within"):
        post("http://slow.host/", b"{}", headers={}, policy="public", seconds=0.3)


def test_where_nobody_listens_only_the_host_is_told() -> None:
    with pytest.raises(NotReached) as error:
        post(f"http://127.0.0.1:{closed_port()}/T0/secret-path", b"", headers={}, policy="private", seconds=20)
    assert "127.0.0.1 cannot be reached" in str(error.value)
    assert "secret-path" not in str(error.value)
