"""Tokens: one's own, and for administrators everyone's. Making and revoking them takes a session, or an admin token."""

from typing import Any

from django.http import HttpRequest, HttpResponse
from ninja import Router, Status

from deployments.api.auth import Needs, caller_of
from deployments.api.paging import Cursor, Id, page
from deployments.api.problems import NotFound
from deployments.api.representation import represent_time
from deployments.api.schemas import Page, ProblemOut
from deployments.api.token_schemas import MadeToken, MakeToken, TokenOut
from environments import sight, tokens
from environments.access import ADMINISTER, SIGNED_IN, allows
from environments.models import Application, Token, User

router = Router(tags=["tokens"])


@router.get("/tokens", auth=Needs(SIGNED_IN), response=Page[TokenOut], summary="Tokens, without what they open")
def list_tokens(request: HttpRequest, cursor: Cursor = "") -> dict[str, Any]:
    rows = _theirs(caller_of(request).user).select_related("user", "application")
    return page(rows, key="pk", cursor=cursor, represent=_represent)


@router.post(
    "/tokens", auth=Needs(SIGNED_IN), response={201: MadeToken, 400: ProblemOut}, summary="Make a token, shown only now"
)
def make_token(request: HttpRequest, response: HttpResponse, payload: MakeToken) -> Status[Any]:
    by = caller_of(request).user
    user = by if payload.user is None else User.objects.filter(username=payload.user).first()
    if user is None or not (user == by or allows(by, ADMINISTER)):
        raise NotFound(f"There is no person {payload.user}. No token was made.")
    application = None
    if payload.application is not None:
        application = Application.objects.filter(sight.of_applications(by), name=payload.application).first()
        if application is None:
            raise NotFound(f"There is no application {payload.application}. No token was made.")
    plain = tokens.make(
        user=user,
        name=payload.name,
        days=payload.days,
        scopes=payload.scopes,
        application=application,
        machine=payload.machine,
        by=by,
    )
    made = Token.objects.select_related("user", "application").get(digest=tokens.digest_of(plain))
    response["Cache-Control"] = "no-store"
    return Status(201, _represent(made) | {"token": plain})


@router.delete("/tokens/{token_id}", auth=Needs(SIGNED_IN), response={204: None}, summary="Revoke a token")
def revoke_token(request: HttpRequest, token_id: Id) -> Status[None]:
    by = caller_of(request).user
    found = _theirs(by).select_related("user").filter(pk=token_id).first()
    if found is None:
        raise NotFound(f"There is no token {token_id}.")
    tokens.withdraw(found, by=by)
    return Status(204, None)


def _theirs(user: User) -> Any:
    return Token.objects.all() if allows(user, ADMINISTER) else Token.objects.filter(user=user)


def _represent(token: Token) -> dict[str, Any]:
    return {
        "id": token.pk,
        "name": token.name,
        "user": token.user.username,
        "scopes": token.scope.split(),
        "application": token.application.name if token.application else None,
        "machine": token.machine,
        "created_at": represent_time(token.created_at),
        "used_at": represent_time(token.used_at),
        "expires_at": represent_time(token.expires_at),
    }
