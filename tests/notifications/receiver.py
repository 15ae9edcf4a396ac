"""A real web server that takes announcements over HTTP, and does what a bad one may do."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass(frozen=True)
class Taken:
    path: str
    headers: dict[str, str]
    body: bytes


@dataclass
class Receiver:
    """What it answers next, and what it was sent. `drips`: one byte now and then, without an end."""

    address: str = ""
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b"ok"
    drips: bool = False
    over: threading.Event = field(default_factory=threading.Event)
    taken: list[Taken] = field(default_factory=list)


@contextmanager
def receiving() -> Iterator[Receiver]:
    state = Receiver()

    class Answers(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", "0")))
            state.taken.append(Taken(self.path, {name.lower(): value for name, value in self.headers.items()}, body))
            with suppress(OSError):  # whoever asked has had enough
                self.send_response(state.status)
                for name, value in state.headers.items():
                    self.send_header(name, value)
                if state.drips:
                    self.end_headers()
                    while not state.over.wait(0.05):
                        self.wfile.write(b".")
                    return
                self.send_header("Content-Length", str(len(state.body)))
                self.end_headers()
                self.wfile.write(state.body)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Answers)
    server.daemon_threads = True
    state.address = f"http://127.0.0.1:{server.server_address[1]}/deploys"
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield state
    finally:
        state.over.set()
        server.shutdown()
        server.server_close()
