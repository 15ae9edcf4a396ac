"""What a provider says of itself: OpenID Connect Discovery 1.0, and its keys as a JSON Web Key Set (RFC 7517)."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import jwt

from environments.models import SignInProvider
from environments.providers import asking
from environments.providers.errors import NoAnswer, NotBelieved

PATH = "/.well-known/openid-configuration"
# By a key that only the provider has. What any holder of the client's secret could sign (HS…) is none, nor is `none`.
ALGORITHMS = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA")
_NEEDED = ("authorization_endpoint", "token_endpoint", "jwks_uri")
_OK = 200


@dataclass(frozen=True)
class Metadata:
    """Where a provider is asked for what. `userinfo` and `end_session` may be ""; lists are () where it says none."""

    issuer: str
    authorization: str
    token: str
    keys: str
    userinfo: str
    end_session: str
    token_methods: tuple[str, ...]
    pkce_methods: tuple[str, ...]
    algorithms: tuple[str, ...]
    scopes: tuple[str, ...]
    response_types: tuple[str, ...]
    tells_issuer: bool  # in its answer to the browser, RFC 9207


def discover(provider: SignInProvider) -> Metadata:
    """Asked anew each time: what it said before may not hold. Raises NoAnswer, NotBelieved."""
    url = provider.issuer.rstrip("/") + PATH
    answer = asking.ask(url, authorities=provider.authorities)
    if answer.status != _OK:
        raise NoAnswer(f"{url} answers {answer.status}; 200 is needed. Is {provider.issuer} the issuer's address?")
    if not answer.said:
        raise NoAnswer(f"{url} answers no JSON object. Is {provider.issuer} the issuer's address?")
    return judge(provider.issuer, answer.said)


def judge(issuer: str, said: Mapping[str, Any]) -> Metadata:
    """Pure. Raises NotBelieved."""
    calls_itself = said.get("issuer")
    if calls_itself != issuer:
        raise NotBelieved(
            f"It calls itself {_short(calls_itself)}, but {issuer} was asked. Write its address exactly as it calls "
            "itself; if it is not the one you meant, do not trust it."
        )
    missing = [name for name in _NEEDED if not _text(said.get(name))]
    if missing:
        raise NotBelieved(f"{issuer} does not say its {' and '.join(missing)}. Is it an OpenID provider?")
    for name in (*_NEEDED, "userinfo_endpoint", "end_session_endpoint"):
        value = said.get(name)
        if isinstance(value, str) and value and (problem := asking.problem_of(value)):
            raise NotBelieved(f"Its {name} cannot be used: {problem}")
    return Metadata(
        issuer=issuer,
        authorization=said["authorization_endpoint"],
        token=said["token_endpoint"],
        keys=said["jwks_uri"],
        userinfo=_text(said.get("userinfo_endpoint")),
        end_session=_text(said.get("end_session_endpoint")),
        token_methods=_words(said.get("token_endpoint_auth_methods_supported")),
        pkce_methods=_words(said.get("code_challenge_methods_supported")),
        algorithms=_words(said.get("id_token_signing_alg_values_supported")),
        scopes=_words(said.get("scopes_supported")),
        response_types=_words(said.get("response_types_supported")),
        tells_issuer=said.get("authorization_response_iss_parameter_supported") is True,
    )


def read_keys(provider: SignInProvider, metadata: Metadata) -> list[jwt.PyJWK]:
    """Those that sign by one of ALGORITHMS. Raises NoAnswer, NotBelieved."""
    answer = asking.ask(metadata.keys, authorities=provider.authorities)
    if answer.status != _OK:
        raise NoAnswer(f"{metadata.keys} answers {answer.status}; 200 and its keys are needed.")
    rows = answer.said.get("keys")
    found = [key for row in (rows if isinstance(rows, list) else []) if (key := _key(row)) is not None]
    if not found:
        raise NotBelieved(f"{metadata.keys} has no key that could have signed anything. Is it an OpenID provider?")
    return found


def _key(row: object) -> jwt.PyJWK | None:
    if not isinstance(row, dict) or row.get("use", "sig") != "sig" or "d" in row:  # d: whoever reads it could sign
        return None
    try:
        key = jwt.PyJWK.from_dict(row)
    except (jwt.PyJWTError, ValueError, TypeError, KeyError):
        return None
    return key if key.algorithm_name in ALGORITHMS else None


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""


def _words(value: object) -> tuple[str, ...]:
    return tuple(word for word in value if isinstance(word, str)) if isinstance(value, list) else ()


def _short(value: object) -> str:
    return value[:200] if isinstance(value, str) and value else "nothing"
