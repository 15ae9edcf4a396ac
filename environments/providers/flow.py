"""The way out to a provider and back: authorization code flow with PKCE, state and nonce (OpenID Connect Core, 3.1).

What was asked is kept in the visitor's session until they come back, each question for one answer.
"""

import base64
import hashlib
import hmac
import secrets
import time
from collections.abc import Mapping, MutableMapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote_plus, urlencode

from django.conf import settings
from django.urls import reverse

from environments.models import SignInProvider
from environments.providers import asking, claims, discovery, id_tokens
from environments.providers.claims import Claims
from environments.providers.discovery import Metadata
from environments.providers.errors import NoAnswer, NotBelieved, NotLetIn
from environments.sealed import unseal

ASKED = "provider-asked"
MOST_ASKED = 5  # one for each tab that somebody has left open there
SECONDS = 600
_OK = 200
_LONGEST_CODE = 8000


@dataclass(frozen=True)
class Back:
    """Who came back, and where they wanted to go; `fresh`: they were asked to prove anew who they are."""

    claims: Claims
    to: str
    fresh: bool


def address_of(provider: SignInProvider) -> str:
    """Where the provider sends people back to; it must know it. Whatever address a browser asked for."""
    return settings.BASE_URL + reverse("provider-back", args=[provider.name])


def begin(provider: SignInProvider, session: MutableMapping[str, Any], *, to: str, fresh: bool = False) -> str:
    """The address to send the visitor to. `fresh`: they must prove there anew who they are. Raises as `discover`."""
    metadata = discovery.discover(provider)
    asked = {name: secrets.token_urlsafe(32) for name in ("state", "nonce", "verifier")}
    rows = [row for row in session.get(ASKED, []) if time.time() - row["at"] < SECONDS]
    session[ASKED] = [
        *rows[-MOST_ASKED + 1 :],
        asked | {"provider": provider.pk, "to": to, "fresh": fresh, "at": time.time()},
    ]
    digest = hashlib.sha256(asked["verifier"].encode()).digest()
    said = {
        "response_type": "code",
        "client_id": provider.client_id,
        "redirect_uri": address_of(provider),
        "scope": provider.scopes,
        "state": asked["state"],
        "nonce": asked["nonce"],
        "code_challenge": base64.urlsafe_b64encode(digest).decode().rstrip("="),
        "code_challenge_method": "S256",
    }
    if provider.second_factors:
        said["acr_values"] = provider.second_factors
    if fresh:
        said |= {"prompt": "login", "max_age": "0"}
    return f"{metadata.authorization}{'&' if '?' in metadata.authorization else '?'}{urlencode(said)}"


def finish(provider: SignInProvider, session: MutableMapping[str, Any], said: Mapping[str, str]) -> Back:
    """What the provider says of who came back with `said`. Raises NoAnswer, NotBelieved, NotLetIn, CannotOpen."""
    asked = _take(provider, session, said.get("state", ""))
    metadata = discovery.discover(provider)
    issuer = said.get("iss")
    if issuer != provider.issuer and (issuer is not None or metadata.tells_issuer):
        raise NotBelieved("The answer came from another provider than the one that was asked (iss). Begin anew.")
    if error := said.get("error"):
        raise NotLetIn(_refusal(provider, error, said.get("error_description", "")))
    code = said.get("code", "")
    if not 0 < len(code) <= _LONGEST_CODE:
        raise NotBelieved("The answer of the provider has no code in it. Begin anew.")
    given = _exchange(provider, metadata, code, asked["verifier"])
    return Back(_claims(provider, metadata, given, asked["nonce"]), str(asked["to"]), bool(asked["fresh"]))


def _take(provider: SignInProvider, session: MutableMapping[str, Any], state: str) -> dict[str, Any]:
    """What was asked with this state; it is gone from then on."""
    rows = list(session.get(ASKED, []))
    found = next((row for row in rows if hmac.compare_digest(row["state"].encode(), state.encode())), None)
    if found is not None:
        session[ASKED] = [row for row in rows if row is not found]
    if found is None or found["provider"] != provider.pk or time.time() - found["at"] > SECONDS:
        raise NotBelieved(
            "This browser has not asked for that, or has its answer already, or too long ago (state). Nobody was "
            "signed in. Begin anew from this page."
        )
    return dict(found)


def _refusal(provider: SignInProvider, error: str, more: str) -> str:
    word = "".join(letter for letter in error[:60] if letter.isascii() and letter.isprintable())
    if word == "access_denied":
        return f"{provider.title} did not let you through, or you did not want to. Nobody was signed in."
    told = "".join(letter for letter in " ".join(more[:300].split()) if letter.isprintable())
    return f"{provider.title} refused: {word}{f' ({told})' if told else ''}. Nobody was signed in."


def _exchange(provider: SignInProvider, metadata: Metadata, code: str, verifier: str) -> Mapping[str, Any]:
    form = {
        "grant_type": "authorization_code",
        "code": code,
        "redirect_uri": address_of(provider),
        "code_verifier": verifier,
    }
    answer = ask_token(provider, metadata, form)
    if answer.status == _OK and isinstance(answer.said.get("id_token"), str):
        return answer.said
    error = answer.said.get("error")
    if error == "invalid_client":
        raise NoAnswer(f"{provider.title} does not take our client id and secret. An administrator can set them right.")
    if error == "invalid_grant":
        raise NotBelieved(f"{provider.title} says that this code was used already, or is too old. Begin anew.")
    if answer.status == _OK:
        raise NoAnswer(f"{metadata.token} gives no id_token. Is openid among the scopes?")
    told = f" ({error[:60]})" if isinstance(error, str) and error.isprintable() else ""
    raise NoAnswer(f"{metadata.token} answers {answer.status}{told}; 200 and an id_token are needed.")


def ask_token(provider: SignInProvider, metadata: Metadata, form: Mapping[str, str]) -> asking.Answer:
    """The client shows that it is itself in the way that the provider knows (RFC 6749, 2.3.1). Raises NoAnswer."""
    secret, headers, said = unseal(provider.secret), {}, dict(form)
    by_header = not metadata.token_methods or "client_secret_basic" in metadata.token_methods
    if secret and by_header:
        pair = f"{quote_plus(provider.client_id)}:{quote_plus(secret)}"
        headers["Authorization"] = f"Basic {base64.b64encode(pair.encode()).decode()}"
    else:
        said |= {"client_id": provider.client_id, **({"client_secret": secret} if secret else {})}
    return asking.ask(metadata.token, form=said, headers=headers, authorities=provider.authorities)


def _claims(provider: SignInProvider, metadata: Metadata, given: Mapping[str, Any], nonce: str) -> Claims:
    keys = discovery.read_keys(provider, metadata)
    said = id_tokens.verify(
        given["id_token"], keys=keys, issuer=provider.issuer, client_id=provider.client_id, nonce=nonce
    )
    token = given.get("access_token")
    if metadata.userinfo and isinstance(token, str) and claims.lacks(said, provider.groups_claim):
        said = {**_user_info(provider, metadata, token, str(said["sub"])), **said}
    return claims.read(said, groups_claim=provider.groups_claim, second_factors=provider.second_factors)


def _user_info(provider: SignInProvider, metadata: Metadata, token: str, subject: str) -> Mapping[str, Any]:
    """Only of the very person that the id_token is about (5.3.2)."""
    if not (token.isascii() and token.isprintable()):
        raise NotBelieved("The provider gave an access token that is none. Nobody was signed in.")
    headers = {"Authorization": f"Bearer {token}"}
    answer = asking.ask(metadata.userinfo, headers=headers, authorities=provider.authorities)
    if answer.status != _OK:
        raise NoAnswer(f"{metadata.userinfo} answers {answer.status}; 200 is needed.")
    if answer.said.get("sub") != subject:
        raise NotBelieved("Its userinfo is about another person than its id_token (sub). Nobody was signed in.")
    return answer.said
