"""A server of builds for tests: files by path, and what was asked of it."""

import hashlib
import io
import tarfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass
class BuildsServer:
    """`files` by path, or a redirect (`-> address`) or a status (a number)."""

    files: dict[str, bytes | str | int] = field(default_factory=dict)
    asked: list[tuple[str, str]] = field(default_factory=list)  # path, Authorization
    port: int = 0
    takes_head: bool = True
    waits: threading.Event = field(default_factory=threading.Event)  # set: it answers

    def __post_init__(self) -> None:
        self.waits.set()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def put(self, path: str, data: bytes) -> None:
        self.files |= {path: data, f"{path}.sha256": f"{hashlib.sha256(data).hexdigest()}  {path}\n".encode()}


def packed(files: dict[str, str], mode: str = "w:gz") -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode=mode) as tar:  # type: ignore[call-overload]
        for name, text in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(text.encode())
            tar.addfile(info, io.BytesIO(text.encode()))
    return out.getvalue()


@contextmanager
def builds_server() -> Iterator[BuildsServer]:
    known = BuildsServer()

    class Handler(BaseHTTPRequestHandler):
        def do_HEAD(self) -> None:
            if known.takes_head:
                self.do_GET()
            else:
                self.send_error(501)

        def do_GET(self) -> None:
            known.asked.append((self.path, self.headers.get("Authorization", "")))
            known.waits.wait(60)
            found = known.files.get(self.path, 404)
            if isinstance(found, str):
                self.send_response(302)
                self.send_header("Location", found.removeprefix("-> "))
                self.end_headers()
            elif isinstance(found, int):
                self.send_error(found)
            else:
                self.send_response(200)
                self.send_header("Content-Length", str(len(found)))
                self.end_headers()
                if self.command == "GET":
                    self.wfile.write(found)

        def log_message(self, *_: object) -> None:
            """Quiet."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    known.port = server.server_address[1]
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield known
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
