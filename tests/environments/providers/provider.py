"""A small real OpenID provider: discovery, keys, a form to sign in, tokens with PKCE, userinfo, signing out; and what a
lying one may say. https://openid.net/specs/openid-connect-core-1_0.html
"""

import base64
import hashlib
import json
import secrets
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import cache
from html import escape
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, unquote_plus, urlencode, urlsplit

import jwt
from cryptography.hazmat.primitives.asymmetric import rsa
from jwt.algorithms import RSAAlgorithm

CLIENT, SECRET = "deployer-client", "a secret: of the client"
FORM = """<!doctype html><html lang="en"><title>Example provider</title><main><h1>Example provider</h1>
<form method="post" action="/authorize?{query}"><label>Name <input name="username"></label>
<label>Password <input name="password" type="password"></label><button>Go on</button></form></main></html>"""


@cache
def key_of(name: str) -> rsa.RSAPrivateKey:
    """Made once for all tests of a process: it takes a while."""
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


def sign(said: dict[str, Any], *, key: Any = None, algorithm: str = "RS256", kid: str | None = "one") -> str:
    headers = {"kid": kid} if kid else None
    return jwt.encode(said, key or key_of("its own"), algorithm, headers=headers)


@dataclass
class Person:
    password: str = "correct horse"
    claims: dict[str, Any] = field(default_factory=dict)


@dataclass
class Provider:
    """Who is known, and how it lies: `alters` changes claims, `alters_metadata` what it says of itself."""

    address: str = ""
    people: dict[str, Person] = field(default_factory=dict)
    redirects: list[str] = field(default_factory=list)  # addresses that it sends people back to
    alters: Callable[[dict[str, Any]], object] = lambda said: None
    alters_metadata: Callable[[dict[str, Any]], object] = lambda said: None
    signs: Callable[[dict[str, Any]], str] = sign
    userinfo_sub: str = ""  # in place of the right one
    thin: bool = False  # the id_token says no more than who it is
    status: int = 0  # whatever is asked
    led_to: str = ""  # in place of the metadata
    hold: threading.Event = field(default_factory=threading.Event)
    holds: bool = False
    asked: list[str] = field(default_factory=list)  # paths
    questions: list[dict[str, str]] = field(default_factory=list)  # of authorize
    codes: dict[str, dict[str, str]] = field(default_factory=dict)
    tokens: dict[str, str] = field(default_factory=dict)

    def add(self, name: str, **claims: Any) -> Person:
        told = {"preferred_username": name, "name": f"{name.title()} Example", "email": f"{name}@example.com"}
        self.people[name] = Person(claims=told | {"email_verified": True} | claims)
        return self.people[name]

    def metadata(self) -> dict[str, Any]:
        said = {
            "issuer": self.address,
            "authorization_endpoint": f"{self.address}/authorize",
            "token_endpoint": f"{self.address}/token",
            "jwks_uri": f"{self.address}/keys",
            "userinfo_endpoint": f"{self.address}/userinfo",
            "end_session_endpoint": f"{self.address}/leave",
            "response_types_supported": ["code"],
            "code_challenge_methods_supported": ["S256"],
            "id_token_signing_alg_values_supported": ["RS256"],
            "scopes_supported": ["openid", "profile", "email", "groups"],
            "authorization_response_iss_parameter_supported": True,
        }
        self.alters_metadata(said)
        return said

    def keys(self) -> dict[str, Any]:
        public = json.loads(RSAAlgorithm.to_jwk(key_of("its own").public_key()))
        return {"keys": [public | {"kid": "one", "use": "sig", "alg": "RS256"}]}

    def sign_in(self, question: dict[str, str], name: str, password: str) -> str:
        """Where the browser goes from the form; "" where name and password do not fit."""
        if name not in self.people or self.people[name].password != password:
            return ""
        code = secrets.token_urlsafe(16)
        self.codes[code] = question | {"person": name}
        said = {"code": code, "state": question["state"], "iss": self.address}
        return f"{question['redirect_uri']}?{urlencode(said)}"

    def exchange(self, form: dict[str, str], authorization: str) -> tuple[int, dict[str, Any]]:
        if not _is_client(form, authorization):
            return 401, {"error": "invalid_client"}
        asked = self.codes.pop(form.get("code", ""), None)  # opens once
        digest = hashlib.sha256(form.get("code_verifier", "").encode()).digest()
        challenge = base64.urlsafe_b64encode(digest).decode().rstrip("=")
        if (
            asked is None
            or asked.get("code_challenge") != challenge
            or asked.get("code_challenge_method") != "S256"
            or asked["redirect_uri"] != form.get("redirect_uri")
        ):
            return 400, {"error": "invalid_grant"}
        token = secrets.token_urlsafe(16)
        self.tokens[token] = asked["person"]
        said = self._claims(asked)
        self.alters(said)
        return 200, {"access_token": token, "token_type": "Bearer", "id_token": self.signs(said)}

    def _claims(self, asked: dict[str, str]) -> dict[str, Any]:
        now = int(time.time())
        said = {"iss": self.address, "aud": CLIENT, "sub": f"id-of-{asked['person']}", "iat": now, "exp": now + 300}
        said |= {"nonce": asked["nonce"], "auth_time": now}
        return said if self.thin else said | self.people[asked["person"]].claims

    def user_info(self, authorization: str) -> tuple[int, dict[str, Any]]:
        name = self.tokens.get(authorization.removeprefix("Bearer "))
        if name is None:
            return 401, {"error": "invalid_token"}
        return 200, {"sub": self.userinfo_sub or f"id-of-{name}"} | self.people[name].claims


def _is_client(form: dict[str, str], authorization: str) -> bool:
    if authorization.startswith("Basic "):
        name, _, secret = base64.b64decode(authorization[6:]).decode().partition(":")
        return (unquote_plus(name), unquote_plus(secret)) == (CLIENT, SECRET)
    return (form.get("client_id"), form.get("client_secret")) == (CLIENT, SECRET)


@contextmanager
def serving() -> Iterator[Provider]:
    state = Provider()

    class Answers(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self._answer({})

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0))).decode()
            self._answer({name: values[0] for name, values in parse_qs(body).items()})

        def _answer(self, form: dict[str, str]) -> None:
            parts = urlsplit(self.path)
            state.asked.append(parts.path)
            query = {name: values[0] for name, values in parse_qs(parts.query).items()}
            if state.holds:
                state.hold.wait(60)
            if state.status:
                return self._say(state.status, {"error": "temporarily_unavailable"})
            if parts.path == "/.well-known/openid-configuration":
                return self._lead(state.led_to) if state.led_to else self._say(200, state.metadata())
            if parts.path == "/keys":
                return self._say(200, state.keys())
            if parts.path == "/token" and self.command == "POST":
                return self._say(*state.exchange(form, self.headers.get("Authorization", "")))
            if parts.path == "/userinfo":
                return self._say(*state.user_info(self.headers.get("Authorization", "")))
            if parts.path == "/authorize" and query.get("redirect_uri") in state.redirects:
                return self._authorize(query, form)
            if parts.path == "/leave":
                return self._lead(query["post_logout_redirect_uri"])
            return self._say(404, {"error": "not_found"})

        def _authorize(self, query: dict[str, str], form: dict[str, str]) -> None:
            if self.command == "POST":
                address = state.sign_in(query, form.get("username", ""), form.get("password", ""))
                return self._lead(address) if address else self._say(403, {"error": "who is that"})
            state.questions.append(query)
            return self._send(200, "text/html", FORM.format(query=escape(urlencode(query))).encode())

        def _lead(self, address: str) -> None:
            self._send(302, "text/plain", b"", address)

        def _say(self, status: int, said: Any) -> None:
            self._send(status, "application/json", json.dumps(said).encode())

        def _send(self, status: int, kind: str, body: bytes, address: str = "") -> None:
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            if address:
                self.send_header("Location", address)
            self.end_headers()
            with suppress(OSError):  # whoever asked has had enough
                self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Answers)
    server.daemon_threads = True
    state.address = f"http://127.0.0.1:{server.server_address[1]}"
    threading.Thread(target=server.serve_forever, args=(0.05,), name="provider", daemon=True).start()
    try:
        yield state
    finally:
        state.hold.set()
        server.shutdown()
        server.server_close()
