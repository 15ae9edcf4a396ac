"""Who asks: a bearer token, or the session of our own pages. Each operation says as data what it needs."""

from dataclasses import dataclass

from django.http import HttpRequest
from ninja.security.base import AuthBase
from ninja.utils import check_csrf

from deployments.api.problems import CsrfRefused, FactorOwed, Unauthenticated
from environments import access, tokens, tries
from environments.models import Heartbeat, User
from environments.second_factors import is_owed
from environments.sources import heartbeats


@dataclass(frozen=True)
class Caller:
    """A person or machine that has shown who it is."""

    user: User
    machine: bool = False


class Needs(AuthBase):
    """`auth=Needs(VIEW)`: the operation runs only for who has that permission somewhere.

    `everywhere`: it is about no place, and a role for some place is not enough. Otherwise the operation finds out
    where: what one may not view it does not find, and its verb asks for the rest.
    """

    openapi_type = "http"
    openapi_scheme = "bearer"
    openapi_description = "A token made by `manage.py token USERNAME`. Our own pages may use their session instead."

    def __init__(self, permission: str, *, everywhere: bool = False) -> None:
        if permission not in access.PERMISSIONS:
            raise ValueError(f"{permission!r} is no permission.")
        self.permission, self.everywhere = permission, everywhere
        super().__init__()

    def __call__(self, request: HttpRequest) -> Caller:
        caller = identify(request)
        asked = access.allows if self.everywhere else access.allows_somewhere
        if not asked(caller.user, self.permission):
            raise access.NotAllowed(caller.user, self.permission)
        return caller


class HeartbeatToken(AuthBase):
    """`auth=HeartbeatToken()`: the operation runs for a machine, by the token with which it says that it is there."""

    openapi_type = "http"
    openapi_scheme = "bearer"
    openapi_description = "The token of one machine, made on its host's page or by `POST /sources/{source}/heartbeats`."
    permission = "speak for one machine"  # of no person, so that none has it

    def __call__(self, request: HttpRequest) -> Heartbeat:
        scheme, _, plain = request.headers.get("Authorization", "").partition(" ")
        found = heartbeats.find(plain.strip()) if scheme.lower() == "bearer" else None
        if found is None:
            tries.count_wrong_token(request)
            raise Unauthenticated(
                "Send `Authorization: Bearer TOKEN` with this machine's own token; this opens nothing."
            )
        return found


def caller_of(request: HttpRequest) -> Caller:
    """Who `Needs` has let in."""
    caller: Caller = request.auth  # type: ignore[attr-defined]
    return caller


def identify(request: HttpRequest) -> Caller:
    """Raises Unauthenticated, TooManyTries, FactorOwed, CsrfRefused."""
    credentials = request.headers.get("Authorization")
    if credentials is not None:
        return _by_token(request, credentials)
    if not isinstance(request.user, User) or not request.user.is_active:
        raise Unauthenticated("Send `Authorization: Bearer TOKEN`. `manage.py token USERNAME` makes a token.")
    if is_owed(request.user, request.session):
        raise FactorOwed("This installation requires a second factor. Set one up in Settings, Yours.")
    if check_csrf(request) is not None:
        raise CsrfRefused("A session may change something only from our own pages, with their CSRF token.")
    return Caller(request.user)


def _by_token(request: HttpRequest, credentials: str) -> Caller:
    scheme, _, plain = credentials.partition(" ")
    token = tokens.find(plain.strip()) if scheme.lower() == "bearer" else None
    if token is None:
        tries.count_wrong_token(request)
        raise Unauthenticated("These credentials open nothing: the token is wrong, revoked, or its user is disabled.")
    return Caller(token.user, machine=token.machine)
