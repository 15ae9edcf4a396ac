"""Announcements in a room of a real IRC server (ngircd), with TLS and without."""

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from pytest_django import Settings

from notifications import sending
from notifications.channels import irc
from notifications.channels.letters import Asked, ChannelRefused
from notifications.models import Channel, Delivery
from tests.conftest import Wait
from tests.environments.sources.server import make_certificate
from tests.notifications.channel_builders import happen, make_channel
from tests.ports import closed_port, free_port
from tests.processes import Processes

pytestmark = pytest.mark.django_db
TEXT = "mobile-api/intlrelease (6957bb87) is being deployed to staging by Ada Marsh"
PASSWORD = "open-sesame"


@dataclass
class Listener:
    """Somebody in the room, and what they hear."""

    link: socket.socket
    heard: list[str] = field(default_factory=list)

    def say(self, line: str) -> None:
        self.link.sendall(f"{line}\r\n".encode())

    def follow(self) -> None:
        with suppress(OSError, ValueError):  # the test is over
            for line in self.link.makefile("r", encoding="utf-8", newline="\r\n"):
                if line.startswith("PING"):
                    self.say(f"PONG {line.split(' ', 1)[1].strip()}")
                self.heard.append(line.strip())

    def messages(self) -> list[str]:
        return [line.split(" :", 1)[1] for line in self.heard if " PRIVMSG #releases :" in line]


@dataclass(frozen=True)
class Server:
    port: int
    tls_port: int
    authority: str


def server_of(processes: Processes, folder: Path, eventually: Wait, password: str = "") -> Server:
    port, tls_port = free_port(), free_port()
    certificate, authority = make_certificate(folder)
    text = f"""
[Global]
Name = irc.example.test
Info = for tests
Listen = 127.0.0.1
Ports = {port}
{f"Password = {password}" if password else ""}
[Limits]
MaxConnectionsIP = 0
[Options]
DNS = no
Ident = no
PAM = no
OperCanUseMode = no
[SSL]
CertFile = {certificate}
KeyFile = {certificate}
Ports = {tls_port}
[Channel]
Name = #closed
Modes = +i
"""
    (folder / "ngircd.conf").write_text(text)
    processes.start(["/usr/sbin/ngircd", "-n", "-f", str(folder / "ngircd.conf")])

    def listens() -> bool:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=5).close()
        except OSError:
            return False
        return True

    eventually(listens)
    return Server(port, tls_port, authority)


@pytest.fixture(scope="module")
def server(processes: Processes, tmp_path_factory: pytest.TempPathFactory, eventually: Wait) -> Server:
    return server_of(processes, tmp_path_factory.mktemp("irc"), eventually)


@pytest.fixture
def listener(server: Server, eventually: Wait) -> Iterator[Listener]:
    with socket.create_connection(("127.0.0.1", server.port)) as link:
        found = Listener(link)
        threading.Thread(target=found.follow, daemon=True).start()
        for line in ("NICK grace", "USER grace 0 * :Grace", "JOIN #releases"):
            found.say(line)
        eventually(lambda: any(" 366 " in line for line in found.heard))
        yield found
        found.say("QUIT")
        link.shutdown(socket.SHUT_RDWR)


@pytest.fixture(autouse=True)
def at_home(settings: Settings) -> None:
    settings.CHANNEL_ADDRESSES = "private"


def sent(address: str, *, secret: str = "", room: str = "#releases", authorities: str = "", **facts: Any) -> Delivery:
    said = {"address": address, "room": room, "nick": "deployer", "authorities": authorities}
    channel = make_channel(kind="irc", settings=said, secret=secret)
    happen(**facts)
    sending.send_waiting(channel.pk)
    return Delivery.objects.get()


def test_everyone_in_the_room_hears_it(server: Server, listener: Listener, eventually: Wait) -> None:
    row = sent(f"irc://127.0.0.1:{server.port}")
    assert (row.state, row.error) == ("sent", "")
    eventually(lambda: listener.messages() == [TEXT])


def test_with_tls(server: Server, listener: Listener, eventually: Wait) -> None:
    row = sent(f"ircs://127.0.0.1:{server.tls_port}", authorities=server.authority)
    assert (row.state, row.error) == ("sent", "")
    eventually(lambda: listener.messages() == [TEXT])


def test_a_certificate_that_nobody_trusts_stops_it(server: Server, listener: Listener) -> None:
    row = sent(f"ircs://127.0.0.1:{server.tls_port}")
    assert row.state == "refused"
    assert "is not trusted" in row.error
    assert listener.messages() == []


def test_a_line_break_is_no_command(server: Server, listener: Listener, eventually: Wait) -> None:
    assert sent(f"irc://127.0.0.1:{server.port}", ref="x\r\nTOPIC #releases :taken\x07\x02").state == "sent"
    eventually(lambda: len(listener.messages()) == 1)
    assert listener.messages()[0].startswith("mobile-api/x TOPIC #releases :taken (6957bb87)")
    assert not [line for line in listener.heard if line.split(" ")[1:2] == ["TOPIC"]]


def test_no_line_of_it_holds_a_line_break() -> None:
    """Whatever was let through before."""
    one, other = socket.socketpair()
    with one, other, pytest.raises(ChannelRefused):
        irc._Talk(one, 0).say("PRIVMSG", "#releases", ":a\r\nQUIT")


def test_a_long_text_comes_in_parts(server: Server, listener: Listener, eventually: Wait) -> None:
    assert sent(f"irc://127.0.0.1:{server.port}", by="Ä" * 240).state == "sent"
    eventually(lambda: len(listener.messages()) == 2)
    assert "".join(listener.messages()).endswith("Ä" * 240)


def test_a_name_that_is_taken_is_no_matter(server: Server, listener: Listener, eventually: Wait) -> None:
    with socket.create_connection(("127.0.0.1", server.port)) as link:
        other = Listener(link)
        threading.Thread(target=other.follow, daemon=True).start()
        for line in ("NICK deployer", "USER x 0 * :Somebody"):
            other.say(line)
        eventually(lambda: any(" 001 " in line for line in other.heard))
        assert sent(f"irc://127.0.0.1:{server.port}").state == "sent"
        link.shutdown(socket.SHUT_RDWR)
    eventually(lambda: listener.messages() == [TEXT])


def test_a_room_for_invited_people_stops_it(server: Server) -> None:
    row = sent(f"irc://127.0.0.1:{server.port}", room="#closed")
    assert (row.state, "(473)" in row.error) == ("refused", True)
    assert Channel.objects.get().stopped


def test_a_server_with_a_password(processes: Processes, tmp_path: Path, eventually: Wait) -> None:
    server = server_of(processes, tmp_path, eventually, password=PASSWORD)
    address = f"ircs://127.0.0.1:{server.tls_port}"
    assert sent(address, secret=PASSWORD, authorities=server.authority).state == "sent"
    Channel.objects.all().delete()
    row = sent(address, secret="wrong", authorities=server.authority)
    assert row.state != "sent"
    assert "wrong" not in row.error


@contextmanager
def saying(answer: Callable[[socket.socket], None]) -> Iterator[str]:
    """A server that is none: it says what it likes to everyone who comes."""
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def serve() -> None:
            try:
                while True:
                    link, _ = listening.accept()
                    threading.Thread(target=answer, args=(link,), daemon=True).start()
            except OSError:
                return

        threading.Thread(target=serve, daemon=True).start()
        yield f"irc://127.0.0.1:{listening.getsockname()[1]}"
        listening.shutdown(socket.SHUT_RDWR)


@pytest.mark.parametrize(
    "says", [b"", b"HTTP/1.1 400 Bad Request\r\n\r\n", b"ERROR :go away\r\n", b"\xff\xfe\r\n:\r\n\r\n@\r\n"]
)
def test_what_is_no_server_of_irc_is_tried_again(says: bytes) -> None:
    def answer(link: socket.socket) -> None:
        with link, suppress(OSError):
            link.sendall(says)

    with saying(answer) as address:
        assert sent(address).state == "waiting"


def test_one_that_never_ends_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(irc, "SECONDS", 1.0)
    over = threading.Event()

    def answer(link: socket.socket) -> None:
        with link, suppress(OSError):
            while not over.wait(0.05):
                link.sendall(b":x NOTICE * :still there\r\n")

    with saying(answer) as address:
        row = sent(address)
        over.set()
    assert row.state == "waiting"


def test_where_nobody_listens_it_is_tried_again() -> None:
    row = sent(f"irc://127.0.0.1:{closed_port()}")
    assert (row.state, row.error) == ("waiting", "127.0.0.1 cannot be reached (Connection refused).")


def test_an_inner_address_is_not_asked(server: Server, listener: Listener, settings: Settings) -> None:
    settings.CHANNEL_ADDRESSES = "public"
    row = sent(f"irc://127.0.0.1:{server.port}")
    assert "127.0.0.1, which is not asked" in row.error
    assert listener.messages() == []


GOOD = {"address": "ircs://irc.example.com", "room": "#releases", "nick": "deployer"}


@pytest.mark.parametrize(
    ("said", "secret", "field"),
    [
        ({"address": "https://irc.example.com"}, "", "address"),
        ({"address": "ircs://"}, "", "address"),
        ({"room": "#a,#b"}, "", "room"),
        ({"room": "#a\r\nQUIT"}, "", "room"),
        ({"room": "ada"}, "", "room"),
        ({"nick": "1st"}, "", "nick"),
        ({"nick": "a b"}, "", "nick"),
        ({"address": "irc://irc.example.com"}, "word", "secret"),
        ({}, "a b", "secret"),
    ],
)
def test_what_cannot_be(said: dict[str, str], secret: str, field: str) -> None:
    assert list(irc.check(Asked(GOOD | said, secret))) == [field]
    assert not irc.check(Asked(GOOD, "word"))
