"""A TCP link that can be broken in the ways in which links break: held, cut, reset, refused, slow."""

import socket
import struct
import threading
import time
from contextlib import suppress

BLOCK = 1 << 16
LOOK_SECONDS = 0.05


class FaultyLink:
    """Listens on `port` of the loopback and passes everything on, until told otherwise.

    Held is what a firewall that forgets or a stopped server looks like: both ends stay connected, nothing arrives.
    """

    def __init__(self, address: str, port: int) -> None:
        self._goal = (address, port)
        self._flows = threading.Event()
        self._flows.set()
        self._refuses = False
        self._cut_after = 0
        self._cuts = 0
        self._bytes_per_second = 0.0
        self._live: set[socket.socket] = set()
        self._lock = threading.Lock()
        self.connections = 0
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=256)
        self.port: int = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def hold(self) -> None:
        """Nothing passes any more, and nobody is told."""
        self._flows.clear()

    def release(self) -> None:
        """What was held goes on, as after a partition that has healed."""
        self._refuses = False
        self._flows.set()

    def reset(self) -> None:
        """End all connections as a router does that has lost its table; new ones pass."""
        with self._lock:
            live = list(self._live)
        for end in live:
            _reset(end)

    def refuse(self) -> None:
        """As `reset`, and new connections end the same way."""
        self._refuses = True
        self.reset()

    def cut_after(self, count: int, times: int = 1) -> None:
        """Reset the connection that first carries more than so many bytes to the server; that often."""
        self._cut_after, self._cuts = count, times

    def slow_down(self, bytes_per_second: float) -> None:
        self._bytes_per_second = bytes_per_second

    def close(self) -> None:
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._flows.set()
        self.reset()

    def _accept(self) -> None:
        while True:
            try:
                near, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._connect, args=(near,), daemon=True).start()

    def _connect(self, near: socket.socket) -> None:
        self.connections += 1
        self._flows.wait()
        if self._refuses:
            return _reset(near)
        try:
            far = socket.create_connection(self._goal, 10)
        except OSError:
            return _reset(near)
        far.settimeout(None)
        for end in (near, far):
            end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        with self._lock:
            self._live |= {near, far}
        threading.Thread(target=self._serve, args=(near, far), daemon=True).start()
        self._pump(far, near, False)
        self._forget(far)

    def _serve(self, near: socket.socket, far: socket.socket) -> None:
        self._pump(near, far, True)
        self._forget(near)

    def _forget(self, end: socket.socket) -> None:
        with self._lock:
            self._live.discard(end)
        end.close()

    def _pump(self, source: socket.socket, goal: socket.socket, to_server: bool) -> None:
        passed = 0
        with suppress(OSError):
            while data := source.recv(BLOCK):
                while not self._flows.wait(LOOK_SECONDS):
                    continue
                passed += len(data)
                if to_server and self._cuts and passed > self._cut_after:
                    self._cuts -= 1
                    goal.sendall(data[: len(data) // 2])
                    _reset(source)
                    _reset(goal)
                    break
                self._pass(data, goal)
            with suppress(OSError):
                goal.shutdown(socket.SHUT_WR)

    def _pass(self, data: bytes, goal: socket.socket) -> None:
        if not self._bytes_per_second:
            return goal.sendall(data)
        size = max(1, int(self._bytes_per_second / 10))
        for start in range(0, len(data), size):
            goal.sendall(data[start : start + size])
            time.sleep(0.1)
        return None


def _reset(end: socket.socket) -> None:
    with suppress(OSError):
        end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        # a reset is sent when the last user of the socket lets go, and a thread that reads it is one
        end.shutdown(socket.SHUT_RD)
    with suppress(OSError):
        end.close()
