"""Stands between workers and PostgreSQL, and cuts connections exactly when something is committed."""

import random
import socket
import threading
from contextlib import suppress
from pathlib import Path

BLOCK = 1 << 16
COMMIT = b"COMMIT"


class CommitCutter:
    """A socket in a folder of its own, as PostgreSQL's, in front of the real one.

    Of the commits it cuts `share` (0 to 1): half of them before the server has heard of it, half before its answer.
    """

    def __init__(self, folder: Path, server: Path, chance: random.Random) -> None:
        self.share = 0.0
        self.folder = folder
        self.cuts = 0
        self._server = server / ".s.PGSQL.5432"
        self._chance = chance
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(folder / ".s.PGSQL.5432"))
        self._listener.listen(128)
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _accept(self) -> None:
        while True:
            try:
                near, _ = self._listener.accept()
            except OSError:
                return
            far = socket.socket(socket.AF_UNIX)
            try:
                far.connect(str(self._server))
            except OSError:
                near.close()
                far.close()
                continue
            threading.Thread(target=self._requests, args=(near, far), daemon=True).start()
            threading.Thread(target=self._answers, args=(far, near), daemon=True).start()

    def _requests(self, near: socket.socket, far: socket.socket) -> None:
        with suppress(OSError):
            while data := near.recv(BLOCK):
                if COMMIT in data and self._chance.random() < self.share:
                    self.cuts += 1
                    if self._chance.random() < 0.5:
                        near.shutdown(socket.SHUT_RDWR)
                        far.sendall(data)
                    break
                far.sendall(data)
        for end in (near, far):
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)

    def _answers(self, far: socket.socket, near: socket.socket) -> None:
        with suppress(OSError):
            while data := far.recv(BLOCK):
                near.sendall(data)
        with suppress(OSError):
            near.shutdown(socket.SHUT_RDWR)
        near.close()
        far.close()
