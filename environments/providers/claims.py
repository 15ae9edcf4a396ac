"""What we take from what a provider says of a person. Pure.

Groups are looked for by the claim's whole name, then step by step along its dots, as `realm_access.roles` has them.
"""

import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django.core.exceptions import ValidationError
from django.core.validators import validate_email

from environments.providers.errors import NotBelieved

MOST_GROUPS = 1000
LONGEST_GROUP = 255
LONGEST_EMAIL = 254
# Values of amr (RFC 8176) that say of themselves that there was more than a password.
_FACTORS = frozenset({"mfa"})


@dataclass(frozen=True)
class Claims:
    """`email` is "" unless the provider says that it is verified; `wanted_name` is what a new account may be called."""

    subject: str
    wanted_name: str
    full_name: str
    email: str
    groups: tuple[str, ...]
    second_factor: bool
    signed_in_at: float | None  # when they proved there who they are, as seconds since 1970


def read(said: Mapping[str, Any], *, groups_claim: str, second_factors: str) -> Claims:
    """`said`: what id_token and userinfo say, put together; `second_factors`: values of acr. Raises NotBelieved."""
    address = _text(said, "email")[: LONGEST_EMAIL + 1]
    email = address if said.get("email_verified") in (True, "true") and _is_email(address) else ""
    names = (_text(said, "preferred_username"), _text(said, "nickname"), address, _text(said, "name"))
    ways = said.get("amr")
    shown = isinstance(ways, list) and bool(_FACTORS & {way for way in ways if isinstance(way, str)})
    at = said.get("auth_time")
    return Claims(
        subject=str(said["sub"]),
        wanted_name=next((word for name in names if (word := user_name_of(name))), "person"),
        full_name=_text(said, "name")[:300],
        email=email,
        groups=groups_of(said, groups_claim),
        second_factor=shown or _text(said, "acr") in second_factors.split(),
        signed_in_at=float(at) if isinstance(at, int | float) and not isinstance(at, bool) else None,
    )


def lacks(said: Mapping[str, Any], groups_claim: str) -> bool:
    """Whether the id_token alone leaves open what userinfo may tell."""
    found = _find(said, groups_claim) if groups_claim else ()
    return found is None or "email" not in said or "name" not in said


def groups_of(said: Mapping[str, Any], claim: str) -> tuple[str, ...]:
    """() where there is no such claim: groups that nobody tells of are none. Raises NotBelieved."""
    if not claim:
        return ()
    elsewhere = said.get("_claim_names")
    if isinstance(elsewhere, dict) and claim in elsewhere:
        raise NotBelieved(
            "The provider does not list this person's groups: there are too many. Let it send only those that are "
            "assigned to this application. Nobody was signed in, and nothing was changed."
        )
    found = _find(said, claim)
    rows = [found] if isinstance(found, str) else found if isinstance(found, list) else []
    groups = {row for row in rows if isinstance(row, str) and 0 < len(row) <= LONGEST_GROUP and row.isprintable()}
    if len(groups) > MOST_GROUPS:
        raise NotBelieved(
            f"The provider lists more than {MOST_GROUPS} groups of this person. Let it send only those that matter "
            "here. Nobody was signed in, and nothing was changed."
        )
    return tuple(sorted(groups))


def user_name_of(text: str) -> str:
    """What a user name here can be made of it: `Zoë.Smith@example.com` is `zoe.smith`; "" where nothing is left."""
    plain = unicodedata.normalize("NFKD", text.partition("@")[0]).encode("ascii", "ignore").decode().lower()
    return re.sub(r"[^a-z0-9._-]+", "-", plain)[:60].strip("._-")


def _find(said: Mapping[str, Any], claim: str) -> Any:
    if claim in said:
        return said[claim]
    found: Any = said
    for word in claim.split("."):
        if not isinstance(found, dict):
            return None
        found = found.get(word)
    return found


def _text(said: Mapping[str, Any], name: str) -> str:
    """One line; characters that no name has are left out."""
    found = said.get(name)
    if not isinstance(found, str):
        return ""
    return "".join(letter for letter in " ".join(found[:1000].split()) if letter.isprintable())


def _is_email(text: str) -> bool:
    try:
        validate_email(text)
    except ValidationError:
        return False
    return len(text) <= LONGEST_EMAIL
