"""A small real server that speaks the API of a Vault: KV version 2, tokens, AppRole; and does what a bad one may do."""

import json
import secrets
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from tests.environments.sources.server import over_tls

ROLE, SECRET_ID = "role-1234", "secret-id-5678"


@dataclass
class Token:
    ttl: int = 0  # seconds; 0: without an end
    policies: tuple[str, ...] = ("*",)  # beginnings of paths that may be read; "*" all


@dataclass
class Vault:
    """What it holds, and which requests it has had as (method, path)."""

    address: str = ""
    token: str = "hvs.root-token"
    secrets: dict[str, list[dict[str, Any] | None]] = field(
        default_factory=dict
    )  # by path, all versions; None: deleted
    tokens: dict[str, Token] = field(default_factory=dict)
    sealed: bool = False
    answers: tuple[int, bytes] | None = None  # whatever is asked
    raw: bytes = b""  # in place of HTTP
    drips: bool = False
    dripped: bool = False  # all but the last byte
    on_asked: Callable[[], object] = lambda: None  # before it answers
    asked: list[tuple[str, str]] = field(default_factory=list)
    given: list[str] = field(default_factory=list)  # tokens of the AppRole
    role_ttl: int = 3600
    namespaces: set[str] = field(default_factory=set)
    done: threading.Event = field(default_factory=threading.Event)

    def put(self, path: str, **data: Any) -> int:
        """A new version; which."""
        self.secrets.setdefault(path, []).append(data)
        return len(self.secrets[path])

    def count(self, beginning: str) -> int:
        return sum(path.startswith(beginning) for _, path in self.asked)

    def answer(self, method: str, path: str, token: str, body: dict[str, str]) -> tuple[int, Any]:
        if self.sealed:
            return 503, {"errors": ["Vault is sealed"]}
        if (method, path) == ("POST", "auth/approle/login"):
            return self._log_in(body)
        known = self.tokens.get(token)
        if known is None:
            return 403, {"errors": ["permission denied"]}
        if path == "auth/token/lookup-self":
            return 200, {"data": {"ttl": known.ttl, "policies": list(known.policies), "renewable": True}}
        if (method, path) == ("POST", "auth/token/revoke-self"):
            del self.tokens[token]
            return 204, None
        if not path.startswith("secret/data/"):
            return 404, {"errors": ["no handler for route"]}
        return self._read(unquote(path.removeprefix("secret/data/")), known)

    def _log_in(self, body: dict[str, str]) -> tuple[int, Any]:
        if (body.get("role_id"), body.get("secret_id")) != (ROLE, SECRET_ID):
            return 400, {"errors": ["invalid role or secret ID"]}
        token = f"hvs.{secrets.token_hex(8)}"
        self.given.append(token)
        self.tokens[token] = Token(self.role_ttl)
        return 200, {"auth": {"client_token": token, "lease_duration": self.role_ttl, "renewable": True}}

    def _read(self, path: str, token: Token) -> tuple[int, Any]:
        if not any(policy == "*" or path.startswith(policy) for policy in token.policies):
            return 403, {"errors": ["1 error occurred:\n\t* permission denied\n\n"]}
        versions = self.secrets.get(path, [])
        if not versions:
            return 404, {"errors": []}
        about = {"version": len(versions), "destroyed": False, "deletion_time": ""}
        if versions[-1] is None:
            return 404, {"data": {"data": None, "metadata": about | {"deletion_time": "2026-01-01T00:00:00Z"}}}
        return 200, {"data": {"data": versions[-1], "metadata": about}}


@contextmanager
def serving(certificate: Path | None = None) -> Iterator[Vault]:
    vault = Vault()
    vault.tokens[vault.token] = Token()

    class Answers(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self._do("GET")

        def do_POST(self) -> None:
            self._do("POST")

        def _do(self, method: str) -> None:
            path = self.path.removeprefix("/v1/")
            vault.asked.append((method, path))
            vault.on_asked()
            if vault.raw:
                self.wfile.write(vault.raw)
                self.close_connection = True
                return
            vault.namespaces.add(self.headers.get("X-Vault-Namespace", ""))
            data = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            status, said = vault.answer(method, path, self.headers.get("X-Vault-Token", ""), json.loads(data or b"{}"))
            content = b"" if said is None else json.dumps(said).encode()
            if vault.answers:
                status, content = vault.answers
            self.send_response(status)
            if status == 307:
                self.send_header("Location", "http://127.0.0.1:1/")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            with suppress(OSError):  # whoever asked has had enough
                if vault.drips:
                    self._drip(content)
                else:
                    self.wfile.write(content)

        def _drip(self, content: bytes) -> None:
            for one in content[:-1]:
                self.wfile.write(bytes([one]))
                if vault.done.wait(0.05):
                    return
            vault.dripped = True
            vault.done.wait(60)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Answers)
    server.daemon_threads = True
    if certificate is not None:
        over_tls(server, certificate)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    vault.address = (
        f"http{'s' if certificate else ''}://{'localhost' if certificate else '127.0.0.1'}:{server.server_port}"
    )
    try:
        yield vault
    finally:
        vault.done.set()
        server.shutdown()
        server.server_close()
        thread.join()
