"""The pricing API: what things cost, as JSON. Python's standard library is all it needs."""

import json
import os
import socketserver
import sys
import time
from http import HTTPStatus
from pathlib import Path

HERE = Path(__file__).resolve().parent
APPLICATION = os.environ.get("APPLICATION", "pricing-api")
HOST = os.environ.get("DEMO_HOST", "localhost")
PORT = int(os.environ.get("PORT", "8080"))
STARTED = time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime())
REVISION = (HERE / "REVISION").read_text().strip() if (HERE / "REVISION").exists() else "unknown"

Answer = tuple[HTTPStatus, str, str]


def overview() -> Answer:
    """What this service is, and how many prices it knows."""
    facts = {
        "application": APPLICATION,
        "revision": REVISION,
        "host": HOST,
        "port": PORT,
        "started": STARTED,
        "prices": len(read_prices()),
    }
    return HTTPStatus.OK, "application/json", json.dumps(facts, indent=2) + "\n"


def version() -> Answer:
    """What runs here, for machines."""
    facts = {"application": APPLICATION, "revision": REVISION, "host": HOST}
    return HTTPStatus.OK, "application/json", json.dumps(facts)


def prices() -> Answer:
    """All prices, in cents."""
    return HTTPStatus.OK, "application/json", json.dumps(read_prices(), indent=2) + "\n"


def read_prices() -> dict[str, int]:
    """The price list of this release."""
    found: dict[str, int] = json.loads((HERE / "prices.json").read_text())
    return found


PAGES = {"/": overview, "/version": version, "/prices": prices}


class Request(socketserver.StreamRequestHandler):
    """One request, one answer, then the connection closes."""

    timeout = 10

    def handle(self) -> None:
        """Read the request line and the headers, and answer."""
        words = self.rfile.readline(8192).decode("latin-1").split()
        while self.rfile.readline(8192).strip():
            continue
        if len(words) != 3:
            return
        status, kind, text = self.answer(words[1].partition("?")[0])
        body = text.encode()
        self.wfile.write(
            f"HTTP/1.1 {status.value} {status.phrase}\r\nContent-Type: {kind}; charset=utf-8\r\n"
            f"Content-Length: {len(body)}\r\nConnection: close\r\n\r\n".encode()
            + body
        )

    def answer(self, path: str) -> Answer:
        """The page at a path; an error of ours becomes a 500 that names it."""
        page = PAGES.get(path)
        if page is None:
            return HTTPStatus.NOT_FOUND, "text/plain", f"There is no page {path}.\n"
        try:
            return page()
        except (OSError, KeyError, ValueError) as error:
            sys.stderr.write(f"{path}: {error!r}\n")
            return HTTPStatus.INTERNAL_SERVER_ERROR, "text/plain", f"{type(error).__name__}: {error}\n"


class Server(socketserver.ThreadingTCPServer):
    """Answers requests side by side."""

    allow_reuse_address = True
    daemon_threads = True
    request_queue_size = 64


if __name__ == "__main__":
    with Server(("127.0.0.1", PORT), Request) as server:
        server.serve_forever()
