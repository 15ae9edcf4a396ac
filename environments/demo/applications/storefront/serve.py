"""The storefront's web server: one page, its styles and its version. Python's standard library is all it needs."""

import html
import json
import os
import socketserver
import sys
import time
from http import HTTPStatus
from pathlib import Path
from string import Template

HERE = Path(__file__).resolve().parent
APPLICATION = os.environ.get("APPLICATION", "storefront")
HOST = os.environ.get("DEMO_HOST", "localhost")
PORT = int(os.environ.get("PORT", "8080"))
STARTED = time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime())
REVISION = (HERE / "REVISION").read_text().strip() if (HERE / "REVISION").exists() else "unknown"

Answer = tuple[HTTPStatus, str, str]


def home() -> Answer:
    """The page that customers see."""
    page = Template((HERE / "templates" / "home.html").read_text())
    facts = {
        "application": APPLICATION,
        "revision": REVISION,
        "short": REVISION[:8],
        "host": HOST,
        "port": PORT,
        "started": STARTED,
    }
    return HTTPStatus.OK, "text/html", page.substitute({name: html.escape(str(fact)) for name, fact in facts.items()})


def version() -> Answer:
    """What runs here, for machines."""
    facts = {"application": APPLICATION, "revision": REVISION, "host": HOST}
    return HTTPStatus.OK, "application/json", json.dumps(facts)


def style() -> Answer:
    """The compiled styles, or the source when nothing was compiled."""
    compiled = HERE / "static" / "compiled" / "site.css"
    path = compiled if compiled.exists() else HERE / "static" / "site.css"
    return HTTPStatus.OK, "text/css", path.read_text()


PAGES = {"/": home, "/version": version, "/site.css": style}


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
