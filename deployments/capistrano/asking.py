"""One short program on each of several hosts, side by side, to its end."""

import secrets
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor

from django.db import connection

from deployments.host_program import parse_mark
from deployments.host_values import Mark
from environments import ssh
from environments.models import Host

ANSWER_SECONDS = 60.0
THREADS_MOST = 64
Command = Callable[[str], str]


class NoAnswer(Exception):
    """`str()` names the host and says what happened."""


def ask_all(hosts: Iterable[Host], user: str, command: Command, *, last: set[str]) -> dict[str, list[Mark] | str]:
    """By host name: the marks up to one of the words in `last`, or a sentence that says why there are none.

    `command` makes the program's text from a nonce.
    """

    def one(host: Host) -> tuple[str, list[Mark] | str]:
        try:
            return host.name, ask(host, user, command, last)
        except (ssh.SSHError, NoAnswer) as error:
            return host.name, str(error)
        finally:
            connection.close()

    chosen = list(hosts)
    if not chosen:
        return {}
    with ThreadPoolExecutor(min(len(chosen), THREADS_MOST), thread_name_prefix="ask") as pool:
        return dict(pool.map(one, chosen))


def ask(host: Host, user: str, command: Command, last: set[str]) -> list[Mark]:
    """The marks of one host up to one of the words in `last`. Raises SSHError, NoAnswer."""
    nonce = secrets.token_hex(8)
    give_up = time.monotonic() + ANSWER_SECONDS
    marks: list[Mark] = []
    buffer = b""
    with ssh.program(host, user, command(nonce)) as channel:
        while not marks or marks[-1].word not in last:
            data = channel.receive(max(0.05, give_up - time.monotonic()))
            if not data:
                raise NoAnswer(_tell_silence(host.name, ended=data is not None))
            *lines, buffer = (buffer + data).split(b"\n")
            marks += [mark for line in lines if (mark := parse_mark(line + b"\n", nonce))]
    return marks


def _tell_silence(name: str, *, ended: bool) -> str:
    what = "ended without an answer" if ended else f"did not answer within {ANSWER_SECONDS:.0f} s"
    return f"{name} {what}. Is its login shell a POSIX shell?"
