"""Gitea and Forgejo: https://docs.gitea.com/usage/webhooks and https://forgejo.org/docs/latest/user/webhooks/.

Most of what they send has the shape of GitHub's. Both sign with HMAC-SHA256 in hex, in a header of their own.
"""

from collections.abc import Mapping

from deployments.hooks import saying, signatures
from deployments.hooks.kinds import github
from deployments.hooks.saying import Checked, Payload, Said, state_of, text
from environments.sources.listing import Told

TOLD = Told("gitea", "Gitea or Forgejo", "Pushes, statuses and Actions of a repository on Gitea or Forgejo.", ())
SIGNS_WITH = "X-Gitea-Signature"
_FORGEJO = "X-Forgejo-Signature"
HEADERS = ("X-Gitea-Event", "X-Gitea-Delivery", "X-Forgejo-Event", "X-Forgejo-Delivery")

_RUNS = {"action_run_success": "success", "action_run_recover": "success", "action_run_failure": "failure"}
_GREEN, _RED = frozenset({"success"}), frozenset({"failure"})


def check(settings: Mapping[str, str]) -> Mapping[str, str]:
    return {}


def is_signed(secret: str, headers: Mapping[str, str], body: bytes, settings: Mapping[str, str]) -> bool:
    return signatures.by_hmac(secret, body, headers.get(_FORGEJO) or headers.get(SIGNS_WITH, ""))


def names(headers: Mapping[str, str]) -> tuple[str, str]:
    event = headers.get("X-Forgejo-Event") or headers.get("X-Gitea-Event", "")
    return event, headers.get("X-Forgejo-Delivery") or headers.get("X-Gitea-Delivery", "")


def read(event: str, payload: Payload, settings: Mapping[str, str]) -> Said:
    if event in _RUNS:
        return _action_run(event, payload)
    return github.read(event, payload, settings)


def _action_run(event: str, payload: Payload) -> Said:
    """Forgejo's, of a run of Actions that has ended."""
    run = payload.get("run")
    ref = saying.branch(text(run, "prettyref"))
    at = saying.moment(run, "stopped") or saying.moment(run, "updated")
    name, state = text(run, "workflow_id") or text(run, "title"), state_of(_RUNS[event], _GREEN, _RED)
    one = Checked("action_run", name, state, at, text(run, "html_url", most=500))
    return Said(saying.tell_check(one, ref), saying.revision(run, "commit_sha"), (ref,) if ref else (), (one,))
