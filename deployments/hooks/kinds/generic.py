"""Anything that can send JSON with a signature: which of its fields mean what is set up with the source."""

import re
from collections.abc import Mapping

from deployments.hooks import saying, signatures
from deployments.hooks.saying import Checked, Payload, Said, state_of, text
from environments.sources.listing import Field, Told

_PATH = re.compile(r"[A-Za-z0-9_-]{1,60}(?:\.[A-Za-z0-9_-]{1,60}){0,9}")
_WORDS = re.compile(r"[A-Za-z0-9_ ,.-]{0,200}")
_USUAL = {"revision": "revision", "ref": "ref", "state": "state", "name": "name", "green": "success, passed, green"}
_STILL = frozenset({"pending", "running", "queued", "started", "in_progress"})


def _field(name: str, label: str, hint: str) -> Field:
    return Field(name, label, hint, required=False, placeholder=_USUAL[name])


TOLD = Told(
    "generic",
    "Anything else",
    "JSON with a signature, from whatever builds.",
    (
        _field("revision", "Field of the commit", "Its 40 hex digits, as `build.commit`."),
        _field("ref", "Field of the branch", "Or of the tag."),
        _field("state", "Field of the state", "Without a state it counts as a push."),
        _field("name", "Field of the check's name", "Policies name checks by it."),
        _field("green", "States that are green", "Words with commas between."),
    ),
)
SIGNS_WITH = "X-Deployer-Signature"
HEADERS = ("X-Deployer-Event", "X-Deployer-Delivery", "User-Agent")


def check(settings: Mapping[str, str]) -> Mapping[str, str]:
    problems = {
        name: f"{value[:80]!r} is no field. Write it as `build.commit`."
        for name, value in settings.items()
        if name != "green" and value and not _PATH.fullmatch(value)
    }
    if not _WORDS.fullmatch(settings.get("green", "")):
        problems["green"] = "These are words with commas between them."
    return problems


def is_signed(secret: str, headers: Mapping[str, str], body: bytes, settings: Mapping[str, str]) -> bool:
    return signatures.by_hmac(secret, body, headers.get(SIGNS_WITH, ""), prefix="sha256=")


def names(headers: Mapping[str, str]) -> tuple[str, str]:
    return headers.get("X-Deployer-Event", ""), headers.get("X-Deployer-Delivery", "")


def read(event: str, payload: Payload, settings: Mapping[str, str]) -> Said:
    at = {name: tuple((settings.get(name) or usual).split(".")) for name, usual in _USUAL.items() if name != "green"}
    revision, ref = saying.revision(payload, *at["revision"]), saying.branch(text(payload, *at["ref"]))
    refs, word = (ref,) if ref else (), text(payload, *at["state"]).lower()
    if not word:
        return Said(f"{ref or revision[:7]} was pushed.", revision, refs)
    green = frozenset(one.strip().lower() for one in (settings.get("green") or _USUAL["green"]).split(","))
    red = frozenset({word}) - green - _STILL
    one = Checked(
        "generic", text(payload, *at["name"]) or "build", state_of(word, green, red), saying.moment(payload, "at")
    )
    return Said(saying.tell_check(one, ref), revision, refs, (one,))
