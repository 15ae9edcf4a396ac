"""Vault's KV version 2 over HTTP, with a token or an AppRole. One sign-in and one reading per path for each asking.

https://developer.hashicorp.com/vault/api-docs/secret/kv/kv-v2, …/auth/approle and …/auth/token. A token that an AppRole
gave is handed back after use; a token of one's own stays as it is, so it must be one that lasts.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from environments.secret_stores import vault_http
from environments.secret_stores.errors import NotFetched
from environments.secret_stores.references import Found, Reference
from environments.secret_stores.telling import Asked, Tested, picked
from environments.secret_stores.vault_http import Answer, Server
from environments.sources.listing import Field, Told
from environments.sources.web_reading import check_address

TOLD = Told(
    "vault",
    "Vault",
    "The KV store, version 2, of Vault or of OpenBao, over HTTP.",
    (
        Field("address", "Address", "", placeholder="https://vault.example.com:8200"),
        Field("mount", "Mount of the KV store", "Empty: `secret`.", required=False, placeholder="secret"),
        Field("namespace", "Namespace", "Where yours has them.", required=False),
        Field("role", "Role id of an AppRole", "Empty: the credential below is a token.", required=False),
        Field("login", "Mount of the AppRole", "Empty: `approle`.", required=False, placeholder="approle"),
        Field("secret", "Secret id, or token", "Kept sealed, shown nowhere.", "secret"),
        Field(
            "authorities",
            "Authority of its certificate",
            "As PEM, where it is none of those that this machine trusts.",
            "area",
            required=False,
            placeholder="-----BEGIN CERTIFICATE-----",
        ),
    ),
)
_OK, _BAD, _FORBIDDEN, _ABSENT, _SEALED = 200, 400, 403, 404, 503


def check(asked: Asked) -> Mapping[str, str]:
    said, problems = asked.settings, {}
    if problem := check_address(said.get("address", "")):
        problems["address"] = problem
    if not asked.secret:
        problems["secret"] = "A Vault tells nothing without a token or the secret id of an AppRole."
    for name in ("mount", "login", "namespace", "role"):
        if problem := _problem_of_path(said.get(name, "")):
            problems[name] = problem
    if not asked.secret.isascii() or not asked.secret.isprintable():
        problems["secret"] = "That is no token and no secret id: it holds characters that they never have."
    return problems


def check_reference(_asked: Asked, reference: Reference) -> str:
    """ "" where it can be asked for."""
    if not reference.path:
        return "Say the path of the secret below its mount, as shop/database."
    if not reference.key:
        return "Say which key of the secret is meant."
    return _problem_of_path(reference.path)


def fetch(
    asked: Asked, wanted: Sequence[Reference], interrupted: Callable[[], bool] = lambda: False
) -> dict[Reference, Found]:
    """Raises NotFetched."""
    read: dict[str, tuple[Mapping[str, Any], int]] = {}
    found: dict[Reference, Found] = {}
    with _signed_in(asked) as session:
        for reference in wanted:
            if problem := check_reference(asked, reference):
                raise NotFetched(problem, reference)
            if interrupted():
                raise NotFetched("Nobody waits for it any more.")
            if reference.path not in read:
                read[reference.path] = _read(session, reference)
            data, version = read[reference.path]
            found[reference] = Found(picked(data, reference), version)
    return found


def try_out(asked: Asked, reference: Reference | None) -> Tested:
    """Whether it lets us in, and what lies at the path; no value. Raises NotFetched."""
    with _signed_in(asked) as session:
        answer = session.ask("GET", "auth/token/lookup-self")
        if answer.status != _OK:
            raise session.refused(answer, None)
        words = f"{session.server.address} lets us in{_lasting(answer)}."
        if reference is None or not reference.path:
            return Tested(f"{words} Name a path, to see whether it may be read.")
        data, version = _read(session, reference)
    if reference.key:
        picked(data, reference)
    return Tested(f"{words} What lies at {reference.path} may be read.", tuple(sorted(map(str, data))), version)


@dataclass
class _Session:
    server: Server
    mount: str
    token: str
    is_ours: bool  # an AppRole gave it

    def ask(self, method: str, path: str) -> Answer:
        return vault_http.ask(self.server, method, path, token=self.token)

    def refused(self, answer: Answer, reference: Reference | None) -> NotFetched:
        """What an answer other than 200 means, and what to do."""
        where = self.server.address
        if answer.status == _FORBIDDEN:
            if self.ask("GET", "auth/token/lookup-self").status == _OK and reference is not None:
                return NotFetched(
                    f"{where} lets us in, but its policies do not let us read {reference.path} in {self.mount}. Give "
                    f'the role the capability "read" on {self.mount}/data/{reference.path}.',
                    reference,
                )
            return NotFetched(
                f"{where} no longer takes the token: it has expired or was revoked. Store a new one in Settings, "
                "Secret stores; an AppRole gives a new one each time.",
            )
        return _unwell(self.server, answer, reference)


def _read(session: _Session, reference: Reference) -> tuple[Mapping[str, Any], int]:
    """What lies at the path, and its version."""
    answer = session.ask("GET", f"{_quoted(session.mount)}/data/{_quoted(reference.path)}")
    data, version = _parts(answer)
    if answer.status == _ABSENT:
        what = f"Version {version} of {reference.path} is deleted" if version else f"Nothing lies at {reference.path}"
        raise NotFetched(
            f"{what} in {session.mount} of {session.server.address}. Is the path right, and {session.mount} a KV store "
            "of version 2?",
            reference,
        )
    if answer.status != _OK:
        raise session.refused(answer, reference)
    if data is None:
        raise NotFetched(
            f"{session.server.address} answers without the data of {reference.path}. Is {session.mount} a KV store of "
            "version 2?",
            reference,
        )
    return data, version


def _parts(answer: Answer) -> tuple[Mapping[str, Any] | None, int]:
    """The keys, and the version; whatever the other side says, nothing but these two shapes."""
    outer = answer.said.get("data")
    outer = outer if isinstance(outer, dict) else {}
    data, about = outer.get("data"), outer.get("metadata")
    version = about.get("version") if isinstance(about, dict) else 0
    known = version if isinstance(version, int) and not isinstance(version, bool) and 0 < version < 1 << 31 else 0
    return data if isinstance(data, dict) else None, known


@contextmanager
def _signed_in(asked: Asked) -> Iterator[_Session]:
    said = asked.settings
    server = Server(said["address"].rstrip("/"), said.get("namespace", ""), said.get("authorities", ""))
    mount, role = said.get("mount", "").strip("/") or "secret", said.get("role", "")
    token = _log_in(server, said.get("login", "").strip("/") or "approle", role, asked.secret) if role else asked.secret
    session = _Session(server, mount, token, bool(role))
    try:
        yield session
    finally:
        if session.is_ours:
            with suppress(NotFetched):  # it ends by itself too
                session.ask("POST", "auth/token/revoke-self")


def _log_in(server: Server, login: str, role: str, secret: str) -> str:
    path = f"auth/{_quoted(login)}/login"
    answer = vault_http.ask(server, "POST", path, body={"role_id": role, "secret_id": secret})
    if answer.status in (_BAD, _FORBIDDEN):
        raise NotFetched(
            f"{server.address} does not let the AppRole in: role id or secret id is wrong, or the secret id has "
            "expired or is used up. Store a new one in Settings, Secret stores."
        )
    if answer.status == _ABSENT:
        raise NotFetched(f"{server.address} has no AppRole at {login}. Which mount is it?")
    if answer.status != _OK:
        raise _unwell(server, answer, None)
    given = answer.said.get("auth")
    token = given.get("client_token") if isinstance(given, dict) else None
    if not isinstance(token, str) or not token or not (token.isascii() and token.isprintable()):
        raise NotFetched(f"{server.address} lets the AppRole in, but gives no token. Is that a Vault?")
    return token


def _unwell(server: Server, answer: Answer, reference: Reference | None) -> NotFetched:
    if answer.status == _SEALED:
        return NotFetched(f"{server.address} is sealed or in maintenance, so it tells nothing. Unseal it.")
    told = f" ({answer.errors})" if answer.errors else ""
    return NotFetched(f"{server.address} answers {answer.status}{told}; 200 is needed.", reference)


def _lasting(answer: Answer) -> str:
    """How long the token lasts, where it ends."""
    data = answer.said.get("data")
    ttl = data.get("ttl") if isinstance(data, dict) else None
    if not isinstance(ttl, int) or isinstance(ttl, bool) or ttl <= 0:
        return ""
    days, hours, minutes = ttl // 86_400, ttl // 3600, ttl // 60
    for number, word in ((days, "day"), (hours, "hour"), (minutes, "minute"), (ttl, "second")):
        if number:
            return f"; the token ends in {number} {word}{'' if number == 1 else 's'}"
    return ""


def _quoted(path: str) -> str:
    return "/".join(quote(word, safe="") for word in path.strip("/").split("/"))


def _problem_of_path(path: str) -> str:
    if not path.isprintable() or len(path) > 500:
        return "That holds characters that no path has, or too many."
    if path and {"", ".", ".."} & set(path.strip("/").split("/")):
        return f"{path[:80]!r} is no path: it has empty parts, or such of dots alone."
    return ""
