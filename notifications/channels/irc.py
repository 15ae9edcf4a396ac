"""Announcements in a room of IRC (RFC 2812), with TLS or without: come in, say it, see that it was heard, go.

A connection that stays would need a process that keeps it; coming for each announcement needs none.
"""

import re
import secrets
import socket
import ssl
import time
from collections.abc import Iterator, Mapping
from urllib.parse import urlsplit

from django.conf import settings

from notifications import outgoing
from notifications.asking import Field, Told
from notifications.bounded import Late, within
from notifications.channels.letters import Asked, ChannelRefused, Letter, TryAgain

SECONDS = 30.0
PORTS = {"irc": 6667, "ircs": 6697}
LONGEST_BYTES = 380  # of 512 for a line, with what servers put before it
MOST_BYTES = 1 << 20  # of greetings and names, before it is enough
_ROOM = re.compile(r"[#&+!][^\s,:\x07]{1,49}")
_NICK = re.compile(r"[A-Za-z\[\]\\`_^{|}][A-Za-z0-9\[\]\\`_^{|}-]{0,15}")
_TAKEN = {"433", "436", "437"}
# No such room, full, by invitation, banned, wrong key, not registered, may not speak; wrong password; banned at all;
# no such nick.
_NEVER = {"403", "404", "405", "432", "464", "465", "471", "473", "474", "475", "476", "477"}
TOLD = Told(
    "irc",
    "IRC",
    "A room of an IRC server, with TLS or without.",
    (
        Field("address", "Server", "`ircs://` is with TLS, `irc://` without.", placeholder="ircs://irc.example.com"),
        Field("room", "Room", placeholder="#releases"),
        Field("nick", "Called there", placeholder="deployer"),
        Field("secret", "Password of the server", "Only over TLS. Kept sealed.", "secret", required=False),
        Field(
            "authorities",
            "Authority of its certificate",
            "As PEM, where it is none of those that this machine trusts.",
            "area",
            required=False,
            placeholder="-----BEGIN CERTIFICATE-----",
        ),
    ),
)


def check(asked: Asked) -> Mapping[str, str]:
    said, problems = asked.settings, {}
    address = said.get("address", "")
    if problem := outgoing.check_address(address, schemes=tuple(PORTS)):
        problems["address"] = problem
    if not _ROOM.fullmatch(said.get("room", "")):
        problems["room"] = "A room begins with # and has no spaces or commas."
    if not _NICK.fullmatch(said.get("nick", "")):
        problems["nick"] = "A nick has at most 16 letters and digits, and begins with a letter."
    if asked.secret and not address.startswith("ircs:"):
        problems["secret"] = "A password is not sent without TLS, where others may read it. Use ircs://."
    elif not asked.secret.isprintable() or " " in asked.secret:
        problems["secret"] = "A password of IRC has no spaces."
    return problems


def send(asked: Asked, letter: Letter) -> None:
    """Raises NotDelivered."""
    host = urlsplit(asked.settings.get("address", "")).hostname or ""
    try:
        within(SECONDS, lambda: _visit(asked, letter.text), name="irc")
    except Late:
        raise TryAgain(f"{host} did not hear it within {SECONDS:.0f} s.") from None
    except outgoing.AddressRefused as refusal:
        raise ChannelRefused(
            f"{refusal} CHANNEL_ADDRESSES={settings.CHANNEL_ADDRESSES} says which are; link-local addresses never are."
        ) from None
    except outgoing.NotReached as error:
        raise TryAgain(str(error)) from None
    except ssl.SSLCertVerificationError as error:
        raise ChannelRefused(f"The certificate of {host} is not trusted ({error.verify_message}).") from None
    except OSError as error:
        raise TryAgain(f"{host} cannot be reached ({error.strerror or type(error).__name__}).") from None


def _visit(asked: Asked, text: str) -> None:
    with _connect(asked) as link:
        talk = _Talk(link, time.monotonic() + SECONDS)
        nick = talk.come_in(asked.settings["nick"], asked.secret)
        talk.join(asked.settings["room"], nick)
        for part in parts_of(text):
            talk.say("PRIVMSG", asked.settings["room"], f":{part}")
        talk.wait_until_heard()
        talk.say("QUIT", ":said it")


def _connect(asked: Asked) -> socket.socket:
    parts = urlsplit(asked.settings["address"])
    host, port = parts.hostname or "", parts.port or PORTS[parts.scheme]
    where = outgoing.look_up(host, port, policy=settings.CHANNEL_ADDRESSES)
    link = socket.create_connection((where, port), timeout=SECONDS)
    if parts.scheme != "ircs":
        return link
    try:
        trust = outgoing.trusted(asked.settings.get("authorities", ""))
        return trust.wrap_socket(link, server_hostname=host)
    except BaseException:
        link.close()
        raise


def parts_of(text: str) -> Iterator[str]:
    """The text in lines that are short enough, cut between characters."""
    line = ""
    for one in text:
        if len((line + one).encode()) > LONGEST_BYTES:
            yield line
            line = ""
        line += one
    if line:
        yield line


class _Talk:
    """Lines to and from a server, until a time on the monotonic clock."""

    def __init__(self, link: socket.socket, until: float) -> None:
        self._link, self._until, self._rest = link, until, b""
        self._read = 0

    def say(self, *words: str) -> None:
        line = " ".join(words)
        if set("\r\n\0") & set(line):
            raise ChannelRefused("A line of IRC holds no line breaks.")  # else it would be a command of its own
        self._link.sendall(line.encode() + b"\r\n")

    def come_in(self, nick: str, password: str) -> str:
        """The name that was free."""
        if password:
            self.say("PASS", f":{password}")
        self.say("NICK", nick)
        self.say("USER", nick, "0", "*", ":The Deployer")
        for words in self._heard():
            if words[0] == "001":
                return nick
            if words[0] in _TAKEN:
                nick = f"{nick[:5]}{secrets.randbelow(10_000)}"  # many servers take nine characters
                self.say("NICK", nick)
        raise TryAgain("The server went away before it had let anybody in.")

    def join(self, room: str, nick: str) -> None:
        self.say("JOIN", room)
        for words in self._heard():
            if words[0] == "366":  # the end of the names in the room: one is in it
                return
        raise TryAgain("The server went away before it had opened the room.")

    def wait_until_heard(self) -> None:
        """What was said before has been read, and a refusal of it has come before the answer to this."""
        mark = secrets.token_hex(8)
        self.say("PING", f":{mark}")
        for words in self._heard():
            if words[0] == "PONG" and mark in words[-1]:
                return
        raise TryAgain("The server went away before it had said that it heard.")

    def _heard(self) -> Iterator[list[str]]:
        """Command and parameters of each line; its calls are answered, and refusals raised."""
        while True:
            line = self._line()
            if line is None:
                return
            words = _words(line)
            if not words:
                continue
            if words[0] == "PING":
                self.say("PONG", f":{words[-1]}")
            elif words[0] == "ERROR":
                raise TryAgain("The server ends the connection. Does it take as many as come from here?")
            elif words[0] in _NEVER:
                raise ChannelRefused(f"The server refuses it ({words[0]}). Look at room, name and password.")
            else:
                yield words

    def _line(self) -> str | None:
        while b"\n" not in self._rest:
            left = self._until - time.monotonic()
            if left <= 0 or self._read > MOST_BYTES:
                raise TryAgain("The server says much, and not what it is waited for.")
            self._link.settimeout(left)
            block = self._link.recv(4096)
            if not block:
                return None
            self._read += len(block)
            self._rest += block
        line, _, self._rest = self._rest.partition(b"\n")
        return line.decode(errors="replace").strip("\r")


def _words(line: str) -> list[str]:
    """Without tags and sender; what follows a colon is one word."""
    while line[:1] in ("@", ":"):
        line = line.partition(" ")[2].lstrip(" ")
    head, colon, tail = line.partition(" :")
    return [word for word in head.split(" ") if word] + ([tail] if colon else [])
