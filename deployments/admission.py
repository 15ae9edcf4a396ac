"""Who may open a WebSocket. Browsers send our cookie from any site, so a session counts only with our own Origin."""

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from importlib import import_module
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.contrib.auth import get_user
from django.http import HttpRequest, parse_cookie
from django.http.request import split_domain_port, validate_host

from environments import access, tokens
from environments.models import User
from environments.second_factors import is_owed
from environments.sight import sees_all
from notifications import events


class NotAdmitted(Exception):
    """`str()` says why, for the log of the web process; the one who asked learns only that it was refused."""


class TooManyOpen(Exception):
    """One person holds as many sockets of a kind as one may."""


@dataclass(frozen=True)
class Ticket:
    """What someone came with: kept to ask again, while the socket is open, whether it still holds; and who it was."""

    session: str = ""
    token: str = ""
    person: int = 0  # the id of whose it was at the door
    username: str = ""
    full_name: str = ""
    sees_all: bool = False  # at the door

    def holds(self, question: Callable[[User], bool]) -> bool:
        """Whether it still opens something, and what `question` asks of its person is so."""
        user = self.user()
        return user is not None and question(user)

    def user(self) -> User | None:
        """Whose it is now; None when it opens nothing any more."""
        if self.token:
            found = tokens.find(self.token)
            return found.user if found else None
        request = HttpRequest()
        request.session = import_module(settings.SESSION_ENGINE).SessionStore(self.session)
        # it also finds out whether the password has changed since
        user = get_user(request)
        return user if isinstance(user, User) and not is_owed(user, request.session) else None


def admit(scope: dict[str, Any], permission: str) -> Ticket:
    """The ticket of who opens this socket, and has `permission` somewhere. Raises NotAdmitted."""
    headers = _headers(scope)
    origin, credentials = headers.get("origin"), headers.get("authorization")
    ticket = _by_session(headers, origin) if credentials is None else _by_token(credentials, origin)
    user = ticket.user()
    if user is None:
        raise NotAdmitted("nobody is signed in with these credentials")
    if not access.allows_somewhere(user, permission):
        events.record("permission.refused", user.username, permission=permission, method="WS", path=scope["path"][:500])
        raise NotAdmitted(f"{user.username} may not {permission}")
    return replace(ticket, person=user.pk, username=user.username, full_name=user.full_name, sees_all=sees_all(user))


_seats: Counter[tuple[str, int]] = Counter()


@contextmanager
def seat(ticket: Ticket, kind: str, most: int) -> Iterator[None]:
    """One of the `most` sockets of this kind that a person may hold in this process. Raises TooManyOpen."""
    key = (kind, ticket.person)
    if _seats[key] >= most:
        raise TooManyOpen(f"person {ticket.person} has {most} sockets of the kind {kind} open")
    _seats[key] += 1
    try:
        yield
    finally:
        _seats[key] -= 1
        if not _seats[key]:
            del _seats[key]


def _by_token(credentials: str, origin: str | None) -> Ticket:
    if origin is not None:
        raise NotAdmitted(f"a bearer token together with the Origin {origin!r}; browsers use their session")
    scheme, _, plain = credentials.partition(" ")
    if scheme.lower() != "bearer" or not plain.strip():
        raise NotAdmitted("credentials of another kind than Bearer")
    return Ticket(token=plain.strip())


def _by_session(headers: dict[str, str], origin: str | None) -> Ticket:
    if origin is None:
        raise NotAdmitted("neither a bearer token nor an Origin")
    if not is_own_origin(origin, headers.get("host", "")):
        raise NotAdmitted(f"the foreign Origin {origin!r}")
    session = parse_cookie(headers.get("cookie", "")).get(settings.SESSION_COOKIE_NAME, "")
    if not session:
        raise NotAdmitted("no session")
    return Ticket(session=session)


def is_own_origin(origin: str, host: str) -> bool:
    """BASE_URL's own, or that of the request's Host where it is one of ours; the scheme is always BASE_URL's."""
    base = urlsplit(settings.BASE_URL)
    if origin == f"{base.scheme}://{base.netloc}":
        return True
    domain, _port = split_domain_port(host)
    return origin == f"{base.scheme}://{host}" and bool(domain) and validate_host(domain, settings.ALLOWED_HOSTS)


def _headers(scope: dict[str, Any]) -> dict[str, str]:
    """By lower-case name. Raises NotAdmitted when one that decides comes twice."""
    found: dict[str, str] = {}
    for raw_name, raw_value in scope["headers"]:
        name = raw_name.decode("latin-1").lower()
        if name in found and name in {"origin", "authorization", "host", "cookie"}:
            raise NotAdmitted(f"two {name} headers")
        found[name] = raw_value.decode("latin-1")
    return found
