"""Names of endpoints and the addresses made of them. Pure."""

import re
from hashlib import sha256
from urllib.parse import urlsplit

from django.core.exceptions import ValidationError

from environments.endpoints.errors import WrongName, WrongOffer
from environments.target_words import RESERVED
from environments.validation import validate_name

LABEL = 63  # octets of one part of a host name (RFC 1035, 2.3.4)
NAME_OF_HOST = 253
MARK = 6  # hexadecimal digits that tell two branches apart
FOLDER = "endpoints"
_WORDS = re.compile(r"\{[^{}]*\}")
_KNOWN = {"{application}", "{endpoint}", "{port}"}
_HOST = re.compile(r"[a-z0-9](?:[a-z0-9-]*[a-z0-9])?(?:\.[a-z0-9](?:[a-z0-9-]*[a-z0-9])?)*")


def name_of(branch: str, most: int = LABEL, *, marked: bool = False) -> str:
    """A DNS label of at most `most` octets for a branch, the same each time.

    What is cut, or `marked` since another branch has the plain name, ends with digits that only this branch has.
    """
    plain = re.sub(r"[^a-z0-9]+", "-", branch.lower()).strip("-")
    if plain and len(plain) <= most and not marked and plain not in RESERVED:
        return plain
    mark = sha256(branch.encode()).hexdigest()[:MARK]
    kept = plain[: max(0, most - MARK - 1)].strip("-")
    return f"{kept}-{mark}" if kept else f"e{mark}"[:most]


def room_for(template: str, application: str) -> int:
    """How long an endpoint's name may be, so that no part of its address is longer than DNS takes."""
    host = _host_of(template.replace("{application}", application).replace("{port}", "65535"))
    labels = [label for label in host.split(".") if "{endpoint}" in label]
    fixed = max((len(label) - len("{endpoint}") for label in labels), default=0)
    return max(0, min(LABEL - fixed, NAME_OF_HOST - len(host) + len("{endpoint}")))


def check_name(name: str, template: str, application: str) -> None:
    """Raises WrongName."""
    try:
        validate_name(name)
    except ValidationError as error:
        raise WrongName(f"{name[:80]!r} can be no name of an endpoint. {error.messages[0]} Nothing was made.") from None
    if name in RESERVED:
        raise WrongName(f"{name!r} is a word of the Deployer's own addresses. Choose another name. Nothing was made.")
    room = room_for(template, application)
    if len(name) > room:
        raise WrongName(
            f"{name!r} has {len(name)} characters; at the addresses of {application} there is room for {room}, since a "
            f"part of a host name has at most {LABEL}. Nothing was made."
        )


def address_of(template: str, application: str, name: str, port: int | None) -> str:
    address = template.replace("{application}", application).replace("{endpoint}", name)
    return address.replace("{port}", str(port or ""))


def check_template(template: str, *, ports: bool) -> None:
    """Raises WrongOffer."""
    unknown = sorted(set(_WORDS.findall(template)) - _KNOWN)
    if unknown:
        raise WrongOffer(f"The address has {unknown[0]}; it may have {', '.join(sorted(_KNOWN))}. Nothing was changed.")
    if "{port}" in template and not ports:
        raise WrongOffer("The address has {port}, but there are no ports to give out. Nothing was changed.")
    if not {"{application}", "{endpoint}"} <= set(_WORDS.findall(template)):
        raise WrongOffer("Two endpoints must never share an address: it needs {application} and {endpoint}.")
    plain = address_of(template, "a", "b", 8000)
    try:
        parts = urlsplit(plain)
        host, _ = parts.hostname or "", parts.port
    except ValueError:
        host = ""
    if parts_are_wrong(plain) or not _HOST.fullmatch(host) or "{endpoint}" not in _host_of(template):
        raise WrongOffer(
            f"{template!r} is no web address with {{endpoint}} in its host name, "
            "as https://{application}-{endpoint}.staging.example.com. Nothing was changed."
        )


def parts_are_wrong(address: str) -> bool:
    parts = urlsplit(address)
    extra = parts.query or parts.fragment or parts.username or parts.password
    return parts.scheme not in ("http", "https") or bool(extra) or not re.fullmatch(r"[\w.~/-]*", parts.path)


def _host_of(address: str) -> str:
    return re.sub(r"\A[a-z]+://", "", address).split("/")[0].split(":")[0]
