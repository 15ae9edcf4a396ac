"""The storefront's web server: one page, its styles and its version. Python's standard library is all it needs.

It loads next to nothing, so that a restarted host answers again after some milliseconds: `http`, `socketserver` and
`pathlib` would take three times as long to load as all that it does.
"""

import _socket
import _thread
import os
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
APPLICATION = os.environ.get("APPLICATION", "storefront")
HOST = os.environ.get("DEMO_HOST", "localhost")
PORT = int(os.environ.get("PORT", "8080"))
STARTED = time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime())

Answer = tuple[str, str, str]
OK, NOT_FOUND, ERROR = "200 OK", "404 Not Found", "500 Internal Server Error"


def read(*path: str) -> str:
    """The text of a file of this release."""
    with open(os.path.join(HERE, *path), encoding="utf-8") as file:
        return file.read()


def escape(text: str) -> str:
    """Text for HTML."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace('"', "&quot;")


REVISION = read("REVISION").strip() if os.path.exists(os.path.join(HERE, "REVISION")) else "unknown"


def home() -> Answer:
    """The page that customers see."""
    page = read("templates", "home.html")
    facts = {
        "application": APPLICATION,
        "revision": REVISION,
        "short": REVISION[:8],
        "host": HOST,
        "port": PORT,
        "started": STARTED,
    }
    for name, fact in facts.items():
        page = page.replace(f"${name}", escape(str(fact)))
    return OK, "text/html", page


def version() -> Answer:
    """What runs here, for machines."""
    return OK, "application/json", f'{{"application": "{APPLICATION}", "revision": "{REVISION}", "host": "{HOST}"}}'


def style() -> Answer:
    """The compiled styles, or the source when nothing was compiled."""
    compiled = ("static", "compiled", "site.css")
    return (
        OK,
        "text/css",
        read(*(compiled if os.path.exists(os.path.join(HERE, *compiled)) else ("static", "site.css"))),
    )


PAGES = {"/": home, "/version": version, "/site.css": style}


def answer(path: str) -> Answer:
    """The page at a path; an error of ours becomes a 500 that names it."""
    page = PAGES.get(path)
    if page is None:
        return NOT_FOUND, "text/plain", f"There is no page {path}.\n"
    try:
        return page()
    except (OSError, KeyError, ValueError) as error:
        sys.stderr.write(f"{path}: {error!r}\n")
        return ERROR, "text/plain", f"{type(error).__name__}: {error}\n"


class Server:
    """Answers requests side by side: one request, one answer, then the connection closes."""

    request_queue_size = 64
    timeout = 10

    def serve_forever(self, port: int) -> None:
        """Listen, and give each connection a thread of its own."""
        listener = _socket.socket(_socket.AF_INET, _socket.SOCK_STREAM)
        listener.setsockopt(_socket.SOL_SOCKET, _socket.SO_REUSEADDR, 1)
        listener.bind(("127.0.0.1", port))
        listener.listen(self.request_queue_size)
        while True:
            # what `socket` makes accept() of; that takes longer to load than all this
            descriptor, _ = listener._accept()  # type: ignore[attr-defined]
            connection = _socket.socket(_socket.AF_INET, _socket.SOCK_STREAM, 0, descriptor)
            _thread.start_new_thread(self.handle, (connection,))

    def handle(self, connection: _socket.socket) -> None:
        """Read the request line and the headers, and answer."""
        try:
            connection.settimeout(self.timeout)
            said = b""
            while b"\n\r\n" not in said and b"\n\n" not in said and len(said) < 65536:
                data = connection.recv(65536)
                if not data:
                    return
                said += data
            words = said.partition(b"\n")[0].decode("latin-1").split()
            if len(words) == 3:
                connection.sendall(self.reply(words[1].partition("?")[0]))
        except OSError:
            return  # whoever asked has gone, or was too slow
        finally:
            connection.close()

    def reply(self, path: str) -> bytes:
        """The answer as it travels."""
        status, kind, text = answer(path)
        body = text.encode()
        head = f"HTTP/1.1 {status}\r\nContent-Type: {kind}; charset=utf-8\r\nContent-Length: {len(body)}\r\n"
        return f"{head}Connection: close\r\n\r\n".encode() + body


if __name__ == "__main__":
    Server().serve_forever(PORT)
