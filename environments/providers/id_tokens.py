"""Whether an id_token is what it must be: OpenID Connect Core 1.0, section 3.1.3.7. Pure."""

import hmac
from collections.abc import Mapping, Sequence
from typing import Any

import jwt

from environments.providers.discovery import ALGORITHMS
from environments.providers.errors import NotBelieved

LEEWAY = 60  # seconds; clocks differ
LONGEST_SUBJECT = 255
_REQUIRED = ["iss", "sub", "aud", "exp", "iat"]


def verify(token: str, *, keys: Sequence[jwt.PyJWK], issuer: str, client_id: str, nonce: str) -> Mapping[str, Any]:
    """What it says, once all of it holds: signature, issuer, audience, times, nonce, subject. Raises NotBelieved."""
    key = _key_of(token, keys)
    try:
        said: dict[str, Any] = jwt.decode(
            token,
            key,
            algorithms=list(ALGORITHMS),
            issuer=issuer,
            audience=client_id,
            leeway=LEEWAY,
            options={"require": _REQUIRED, "enforce_minimum_key_length": True},
        )
    except jwt.PyJWTError as error:
        raise NotBelieved(f"Its id_token does not hold: {_reason(error)}. Nobody was signed in.") from None
    _check_party(said, client_id)
    told = said.get("nonce")
    if not isinstance(told, str) or not hmac.compare_digest(told.encode(), nonce.encode()):
        raise NotBelieved("Its id_token answers another question than ours (nonce). Nobody was signed in.")
    subject = said["sub"]
    if not isinstance(subject, str) or not 0 < len(subject) <= LONGEST_SUBJECT or not subject.isprintable():
        raise NotBelieved("Its id_token does not say whom it means (sub). Nobody was signed in.")
    return said


def _key_of(token: str, keys: Sequence[jwt.PyJWK]) -> jwt.PyJWK:
    """The key that its header names. One without a name may be of the only key there is."""
    try:
        header = jwt.get_unverified_header(token)
    except jwt.PyJWTError:
        raise NotBelieved("What it sent as id_token is none. Nobody was signed in.") from None
    algorithm, name = header.get("alg"), header.get("kid")
    if algorithm not in ALGORITHMS:
        raise NotBelieved(
            f"Its id_token is signed by {str(algorithm)[:20]!r}, which proves nothing here; {', '.join(ALGORITHMS)} "
            "would. Choose one of these for this client there. Nobody was signed in."
        )
    fitting = [key for key in keys if name is None or key.key_id == name]
    if len(fitting) != 1:
        which = "no key of its own" if name is not None and not fitting else "none of its keys for sure"
        raise NotBelieved(f"Its id_token is signed with {which}. Nobody was signed in.")
    return fitting[0]


def _check_party(said: Mapping[str, Any], client_id: str) -> None:
    """One that is for others too must say that it was us who asked."""
    audience, party = said["aud"], said.get("azp")
    if (isinstance(audience, list) and len(audience) > 1 and party is None) or party not in (None, client_id):
        raise NotBelieved("Its id_token was made for another client than ours (azp). Nobody was signed in.")


_REASONS: tuple[tuple[type[Exception], str], ...] = (
    (jwt.ExpiredSignatureError, "it is over (exp); do the clocks here and there agree?"),
    (jwt.ImmatureSignatureError, "it begins later (iat or nbf); do the clocks here and there agree?"),
    (jwt.InvalidIssuedAtError, "it does not say when it was made (iat)"),
    (jwt.InvalidAudienceError, "it is for another client (aud)"),
    (jwt.InvalidIssuerError, "it is of another issuer (iss)"),
    (jwt.InvalidAlgorithmError, "its signature is of another kind than its key"),
    (jwt.InvalidSignatureError, "its signature is not by the provider's key"),
    (jwt.InvalidKeyError, "the provider's key is too weak"),
)


def _reason(error: Exception) -> str:
    if isinstance(error, jwt.MissingRequiredClaimError):
        return f"it does not say its {error.claim}"
    return next((words for kind, words in _REASONS if isinstance(error, kind)), "it cannot be read")
