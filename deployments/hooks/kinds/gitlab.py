"""GitLab: https://docs.gitlab.com/user/project/integrations/webhook_events/. Its secret token comes along as it is."""

from collections.abc import Mapping

from deployments.hooks import saying, signatures
from deployments.hooks.saying import NOBODY, Checked, Payload, Said, state_of, text
from environments.sources.listing import Told

TOLD = Told("gitlab", "GitLab", "Pushes, tags and pipelines of a project on GitLab.", ())
SIGNS_WITH = "X-Gitlab-Token"
HEADERS = ("X-Gitlab-Event", "X-Gitlab-Event-UUID", "X-Gitlab-Webhook-UUID", "Idempotency-Key")

_GREEN, _RED = frozenset({"success"}), frozenset({"failed", "canceled", "skipped"})


def check(settings: Mapping[str, str]) -> Mapping[str, str]:
    return {}


def is_signed(secret: str, headers: Mapping[str, str], body: bytes, settings: Mapping[str, str]) -> bool:
    return signatures.by_token(secret, headers.get(SIGNS_WITH, ""))


def names(headers: Mapping[str, str]) -> tuple[str, str]:
    own = headers.get("Idempotency-Key", "") or headers.get("X-Gitlab-Event-UUID", "")
    return headers.get("X-Gitlab-Event", ""), own


def read(event: str, payload: Payload, settings: Mapping[str, str]) -> Said:
    kind = text(payload, "object_kind")
    if kind in ("push", "tag_push"):
        return _push(payload)
    if kind == "pipeline":
        return _pipeline(payload)
    if kind == "merge_request":
        return Said("A merge request; its commits count once they are on a branch that the policy names.")
    return Said(f"Nothing follows from {kind or event[:60] or 'an event without a name'}.")


def _push(payload: Payload) -> Said:
    ref = saying.branch(text(payload, "ref"))
    if text(payload, "after") == NOBODY:
        return Said(f"{ref} was removed.")
    # of an annotated tag `after` is the tag's own number
    at = "checkout_sha" if text(payload, "checkout_sha") else "after"
    return Said(f"{ref} was pushed.", saying.revision(payload, at), (ref,))


def _pipeline(payload: Payload) -> Said:
    facts = payload.get("object_attributes")
    ref = text(facts, "ref")
    at = saying.moment(facts, "finished_at") or saying.moment(facts, "created_at")
    name = text(facts, "name") or "pipeline"
    one = Checked("pipeline", name, state_of(text(facts, "status"), _GREEN, _RED), at, text(facts, "url", most=500))
    return Said(saying.tell_check(one, ref), saying.revision(facts, "sha"), (ref,) if ref else (), (one,))
