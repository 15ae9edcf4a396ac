"""The web process: one process that listens and has everything loaded, and its copy that answers.

Loading takes seconds, so a copy that was killed is replaced by a new one at once, and who comes meanwhile is not
refused but waits in the listener's queue. Copies are made on Linux; elsewhere the process answers by itself.
"""

import ctypes
import gc
import logging
import os
import platform
import runpy
import signal
import socket
import sys
import time
from types import FrameType

from daphne import http_protocol, ws_protocol
from django.conf import settings
from django.template.loader import get_template
from django.urls import reverse

from deployer_site import asgi
from deployer_site.database_url import share_connections
from deployments import gauges
from notifications import metrics

log = logging.getLogger(__name__)

# Twisted's own 50 are too few when hundreds come at once: the kernel ends what does not fit.
QUEUE = 1024
# A copy that dies sooner would do so again: then the whole process ends, and the supervisor waits longer each time.
STEADY_SECONDS = 3.0
_PR_SET_PDEATHSIG = 1
# What an answering process needs, loaded before it is copied.
LOADED = (asgi, http_protocol, ws_protocol)


def listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind((host, port))
    listener.listen(QUEUE)
    return listener


def load_pages() -> None:
    """All addresses and templates: the first visitors would wait for them, and the collector would look through what
    they are made of again and again, for a tenth of a second each time.
    """
    reverse("home")
    folder = settings.BASE_DIR / "templates"
    for path in folder.rglob("*.*"):
        get_template(str(path.relative_to(folder)))


def answer(listener: socket.socket) -> None:
    """Answer with daphne until a signal ends this process."""
    metrics.begin(gauges.of_web)
    place = ("--fd", str(listener.fileno()))
    sys.argv = ["daphne", *place, "-v", "0", "--no-server-name", "deployer_site.asgi:application"]
    runpy.run_module("daphne", run_name="__main__", alter_sys=True)


class Keeper:
    """Keeps one copy of this process answering."""

    def __init__(self, listener: socket.socket) -> None:
        self._listener = listener
        self._copy = 0
        self._stopping = False

    def keep(self) -> int:
        """The exit code, when this process was asked to stop or a copy did not live for long."""
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._pass_on)
        # The collector would touch, and so copy, all that is loaded.
        gc.collect()
        gc.freeze()
        while True:
            began = time.monotonic()
            code = self._live()
            if self._stopping or time.monotonic() - began < STEADY_SECONDS:
                return code
            log.warning("What answered has ended (exit code %d) and is replaced.", code)

    def _live(self) -> int:
        """One life of a copy; its exit code, as a shell would say it."""
        # Held back, or a signal between the fork and its note would reach nobody.
        signals = {signal.SIGTERM, signal.SIGINT}
        signal.pthread_sigmask(signal.SIG_BLOCK, signals)
        parent = os.getpid()
        self._copy = os.fork()
        if not self._copy:
            _begin_as_copy(parent)
            signal.pthread_sigmask(signal.SIG_UNBLOCK, signals)
            answer(self._listener)
            os._exit(0)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, signals)
        _, status = os.waitpid(self._copy, 0)
        self._copy = 0
        code = os.waitstatus_to_exitcode(status)
        return code if code >= 0 else 128 - code

    def _pass_on(self, number: int, frame: FrameType | None) -> None:
        del frame
        self._stopping = True
        if self._copy:
            os.kill(self._copy, number)


def _begin_as_copy(parent: int) -> None:
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, signal.SIG_DFL)
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
    if os.getppid() != parent:  # it died before it could be watched
        os._exit(1)


def main() -> int:
    share_connections(settings.DATABASES["default"])
    load_pages()
    listener = listen(settings.BIND, settings.PORT)
    if platform.system() == "Linux":
        return Keeper(listener).keep()
    answer(listener)
    return 0


if __name__ == "__main__":
    sys.exit(main())
