"""GitHub: https://docs.github.com/en/webhooks/webhook-events-and-payloads, signed by X-Hub-Signature-256."""

from collections.abc import Mapping

from deployments.hooks import saying, signatures
from deployments.hooks.saying import NOBODY, Checked, Payload, Said, state_of, text
from environments.sources.listing import Told

TOLD = Told("github", "GitHub", "Pushes, checks and workflows of a repository on GitHub or GitHub Enterprise.", ())
SIGNS_WITH = "X-Hub-Signature-256"
HEADERS = ("X-GitHub-Event", "X-GitHub-Delivery", "X-GitHub-Hook-ID")

_GREEN = frozenset({"success", "neutral", "skipped"})
_RED = frozenset(
    {"failure", "error", "cancelled", "timed_out", "action_required", "stale", "startup_failure"},
)
_NOTED = {
    "ping": "GitHub says that this hook is set up.",
    "deployment": "A deployment was made on GitHub; the Deployer goes by checks and pushes.",
    "pull_request": "A pull request; its commits count once they are on a branch that the policy names.",
}


def check(settings: Mapping[str, str]) -> Mapping[str, str]:
    return {}


def is_signed(secret: str, headers: Mapping[str, str], body: bytes, settings: Mapping[str, str]) -> bool:
    return signatures.by_hmac(secret, body, headers.get(SIGNS_WITH, ""), prefix="sha256=")


def names(headers: Mapping[str, str]) -> tuple[str, str]:
    return headers.get("X-GitHub-Event", ""), headers.get("X-GitHub-Delivery", "")


def read(event: str, payload: Payload, settings: Mapping[str, str]) -> Said:
    if event in _NOTED:
        return Said(_NOTED[event])
    if event in _READERS:
        return _READERS[event](payload)
    return Said(f"Nothing follows from {event[:60] or 'an event without a name'}.")


def _push(payload: Payload) -> Said:
    ref = saying.branch(text(payload, "ref"))
    if saying.truth(payload, "deleted") or text(payload, "after") == NOBODY:
        return Said(f"{ref} was removed.")
    return Said(f"{ref} was pushed.", saying.revision(payload, "after"), (ref,))


def _create(payload: Payload) -> Said:
    kind, ref = text(payload, "ref_type"), text(payload, "ref")
    return Said(f"The {kind} {ref} was made.", refs=(ref,) if kind == "tag" else ())


def _release(payload: Payload) -> Said:
    tag, action = text(payload, "release", "tag_name"), text(payload, "action")
    return Said(f"The release {tag} was {action}.", refs=(tag,) if action == "published" else ())


def _status(payload: Payload) -> Said:
    branches = payload.get("branches")
    refs = tuple(text(one, "name") for one in branches) if isinstance(branches, list) else ()
    at = saying.moment(payload, "updated_at")
    state = state_of(text(payload, "state"), _GREEN, _RED)
    one = Checked("status", text(payload, "context"), state, at, text(payload, "target_url", most=500))
    return Said(saying.tell_check(one, ", ".join(refs[:3])), saying.revision(payload, "sha"), refs, (one,))


def _checked(payload: Payload, kind: str, name: str, branch: str, at: str) -> Said:
    """`check_run`, `check_suite` and `workflow_run` are alike: a conclusion once their status is completed."""
    facts = payload.get(kind)
    word = text(facts, "conclusion") if text(facts, "status") == "completed" else ""
    when = saying.moment(facts, at) or saying.moment(facts, "updated_at") or saying.moment(facts, "started_at")
    one = Checked(kind, name, state_of(word, _GREEN, _RED), when, text(facts, "html_url", most=500))
    refs = (branch,) if branch else ()
    return Said(saying.tell_check(one, branch), saying.revision(facts, "head_sha"), refs, (one,))


def _check_run(payload: Payload) -> Said:
    branch = text(payload, "check_run", "check_suite", "head_branch")
    return _checked(payload, "check_run", text(payload, "check_run", "name"), branch, "completed_at")


def _check_suite(payload: Payload) -> Said:
    branch = text(payload, "check_suite", "head_branch")
    return _checked(payload, "check_suite", text(payload, "check_suite", "app", "name"), branch, "updated_at")


def _workflow_run(payload: Payload) -> Said:
    branch = text(payload, "workflow_run", "head_branch")
    return _checked(payload, "workflow_run", text(payload, "workflow_run", "name"), branch, "updated_at")


_READERS = {
    "push": _push,
    "create": _create,
    "release": _release,
    "status": _status,
    "check_run": _check_run,
    "check_suite": _check_suite,
    "workflow_run": _workflow_run,
}
