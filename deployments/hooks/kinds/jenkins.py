"""Jenkins, by its Notification plugin: https://plugins.jenkins.io/notification/, or by a few lines of a Jenkinsfile.

It signs nothing: the secret is the password in the address that is set there, and comes as `Authorization: Basic`.
"""

from collections.abc import Mapping
from datetime import datetime

from deployments.hooks import saying, signatures
from deployments.hooks.saying import Checked, Payload, Said, state_of, text
from environments.sources.listing import Told

TOLD = Told("jenkins", "Jenkins", "Builds of a job, by the Notification plugin or from a Jenkinsfile.", ())
SIGNS_WITH = "Authorization"
HEADERS = ("User-Agent",)

_GREEN = frozenset({"SUCCESS"})
_RED = frozenset({"FAILURE", "UNSTABLE", "ABORTED", "NOT_BUILT"})
_OVER = frozenset({"COMPLETED", "FINALIZED", "FINISHED"})


def check(settings: Mapping[str, str]) -> Mapping[str, str]:
    return {}


def is_signed(secret: str, headers: Mapping[str, str], body: bytes, settings: Mapping[str, str]) -> bool:
    return signatures.by_token(secret, signatures.password_of(headers.get(SIGNS_WITH, "")))


def names(headers: Mapping[str, str]) -> tuple[str, str]:
    return "build", ""


def read(event: str, payload: Payload, settings: Mapping[str, str]) -> Said:
    build = payload.get("build")
    word = text(build, "status") if text(build, "phase") in _OVER else ""
    ref = saying.branch(text(build, "scm", "branch")).removeprefix("origin/")
    state = state_of(word, _GREEN, _RED)
    one = Checked("build", text(payload, "name") or "build", state, _time(build), text(build, "full_url", most=500))
    return Said(saying.tell_check(one, ref), saying.revision(build, "scm", "commit"), (ref,) if ref else (), (one,))


def _time(build: object) -> datetime | None:
    """In milliseconds since 1970."""
    told = text(build, "timestamp")
    return saying.from_seconds(int(told) / 1000) if told.isdecimal() and len(told) < 15 else None
