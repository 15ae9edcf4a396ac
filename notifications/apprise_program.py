"""Sends one text by Apprise, in a process of its own: `python -m notifications.apprise_program`.

Apprise and what it is made of resolve names and open connections by themselves, so that no caller could look at their
addresses. Here every connection of the process is looked at, after its name was resolved; redirects are not followed,
no program is started, and nothing of this machine is told anything. It reads from its standard input
`{"url", "text", "policy"}` and prints `{"sent", "refused"}`; `refused` is a sentence, or "".
"""

import json
import sys
from contextlib import suppress
from typing import Any

import apprise
import requests
from apprise.common import NotifyFormat

from notifications import outgoing

_CONNECTS = {"socket.connect", "socket.sendto", "socket.sendmsg"}
_STARTS = {
    "subprocess.Popen",
    "os.exec",
    "os.posix_spawn",
    "os.spawn",
    "os.system",
    "os.fork",
    "os.forkpty",
    "pty.spawn",
}

# What shows or notes something on this very machine.
_HERE = {"blink1", "dbus", "glib", "gnome", "macosx", "syslog", "windows"}


class Refused(OSError):
    """What must not be; `str()` says what."""


class Guard:
    """Every connection of this process; what was refused is kept, for libraries swallow what is raised."""

    def __init__(self, policy: str) -> None:
        self._policy = policy
        self.refused = ""

    def watch(self, event: str, arguments: tuple[Any, ...]) -> None:
        if event in _STARTS:
            self._refuse("It would start a program.")
        if event in _CONNECTS:
            self._look(arguments[1])

    def _look(self, address: object) -> None:
        if address is None:
            return  # of a connection that was looked at when it was made
        if not isinstance(address, tuple):
            self._refuse("It would speak to a program of this machine.")
            return
        host = str(address[0])
        try:
            good = outgoing.allowed(host, policy=self._policy)
        except ValueError:
            good = False  # a name: nobody knows what it will be resolved to
        if not good:
            self._refuse(f"It would speak to {host}, which is not asked from here.")

    def _refuse(self, why: str) -> None:
        self.refused = self.refused or why
        raise Refused(why)


def follow_no_redirects() -> None:
    """For all that Apprise sends over HTTP it sends by requests."""
    requests.Session.resolve_redirects = lambda *_, **__: iter(())  # type: ignore[method-assign,assignment]


def find(url: str) -> apprise.NotifyBase | None:
    """The service of an address; None for what is none, or only of this machine (its desktop, its log)."""
    service = apprise.Apprise.instantiate(url, suppress_exceptions=True)
    if service is None or type(service).__module__.rsplit(".", 1)[-1] in _HERE:
        return None
    return service


def main() -> None:
    said = json.loads(sys.stdin.read())
    guard = Guard(said["policy"])
    service = find(said["url"])
    sent = False
    if service is not None and said["text"]:
        follow_no_redirects()
        sys.addaudithook(guard.watch)
        with suppress(Refused):
            sent = bool(service.notify(body=said["text"], body_format=NotifyFormat.TEXT))
    known = "" if service is not None else "That is no address of Apprise's, or one of this machine itself."
    sys.stdout.write(json.dumps({"sent": sent, "refused": guard.refused or known}))


if __name__ == "__main__":
    main()
