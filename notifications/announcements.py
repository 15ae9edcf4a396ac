"""What is announced of an event, and in which words. Pure; texts hold nothing but what the event's facts say.

TemplateWrong    a text of one's own names what is not there
"""

import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass

from notifications.models import Event

LONGEST = 600
LONGEST_FIELD = 250
LONGEST_TEMPLATE = 400
THE_DEPLOYER = "the Deployer"

KINDS = {
    "deploy": "Deploys",
    "rollback": "Rollbacks",
    "waiting": "Deploys that wait",
    "approval": "Deploys that wait for approval",
    "held": "Deploys that a lock holds",
    "locked": "Locks",
    "unlocked": "Ends of locks",
    "handed_over": "Locks that pass to somebody else",
}
OUTCOMES = {
    "begins": "begins",
    "succeeded": "succeeded",
    "partial": "partial",
    "failed": "failed",
    "cancelled": "cancelled",
    "needs_attention": "needs someone",
}
_DEPLOY_FIELDS = ("application", "ref", "revision", "environment", "who", "number", "reason", "live", "hosts", "link")
_LOCK_FIELDS = ("place", "who", "holder", "was", "reason", "end", "application", "environment")
_FIELD = re.compile(r"\{([^{}]*)\}")
# What would show as nothing, or turn the direction of what follows.
_INVISIBLE = {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}
_CREDENTIALS = (
    (re.compile(r"(?<=://)[^\s/@]+@"), ""),
    (re.compile(r"\bxox[a-z]-[\w-]+|\bxapp-[\w-]+"), "[hidden]"),
    (re.compile(r"(?<=hooks\.slack\.com/)\S+"), "[hidden]"),
)


class TemplateWrong(ValueError):
    """`str()` says what is wrong with it."""


@dataclass(frozen=True)
class Word:
    """One kind of announcement. `outcome` is "" where it is about no end or beginning of a deploy."""

    key: str
    kind: str
    outcome: str
    template: str
    fields: tuple[str, ...]

    @property
    def title(self) -> str:
        """`Deploys: partial`."""
        return f"{KINDS[self.kind]}: {OUTCOMES[self.outcome]}" if self.outcome else KINDS[self.kind]


@dataclass(frozen=True)
class Announcement:
    """An event in words: which ones, and what may be said."""

    word: Word
    fields: Mapping[str, str]

    def text(self, templates: Mapping[str, str]) -> str:
        """By the channel's own template, where it has one."""
        return fill(templates.get(self.word.key) or self.word.template, self.fields)


_WHAT, _REVISION = "{application}/{ref}", "{application}/{ref} ({revision})"
_BACK = "{application} was not rolled back to {ref} ({revision}) on {environment}"
_TEMPLATES = {
    "deploy.begins": f"{_REVISION} is being deployed to {{environment}} by {{who}}",
    "deploy.succeeded": f"{_WHAT} successfully deployed to {{environment}}",
    "deploy.partial": f"{_REVISION} deployed to {{live}} of {{hosts}} hosts of {{environment}}",
    "deploy.failed": f"{_REVISION} failed to deploy to {{environment}}: {{reason}}",
    "deploy.cancelled": f"{_REVISION} was not deployed to {{environment}}: {{reason}}",
    "deploy.needs_attention": f"{_REVISION} needs someone on {{environment}}: {{reason}}",
    "rollback.begins": "{application} is being rolled back to {ref} ({revision}) on {environment} by {who}",
    "rollback.succeeded": "{application} successfully rolled back to {ref} ({revision}) on {environment}",
    "rollback.partial": "{application} rolled back to {ref} ({revision}) on {live} of {hosts} hosts of {environment}",
    "rollback.failed": f"{_BACK}: {{reason}}",
    "rollback.cancelled": f"{_BACK}: {{reason}}",
    "rollback.needs_attention": (
        "The rollback of {application} to {ref} ({revision}) on {environment} needs someone: {reason}"
    ),
    "waiting": f"{_REVISION} waits to be deployed to {{environment}} by {{who}}: {{reason}}",
    "approval": f"{_REVISION} waits for approval to be deployed to {{environment}} by {{who}}: {{reason}}",
    "held": f"{_REVISION} is held before {{environment}}: {{reason}}",
    "locked": "{place} is locked by {holder} {end}: {reason}",
    "unlocked": "{place} is unlocked; {holder} had locked it",
    "handed_over": "{place} is handed over to {holder} {end}: {reason}",
}


def _word(key: str, template: str) -> Word:
    kind, _, outcome = key.partition(".")
    locks = kind in ("locked", "unlocked", "handed_over")
    return Word(key, kind, outcome, template, _LOCK_FIELDS if locks else _DEPLOY_FIELDS)


WORDS = {key: _word(key, template) for key, template in _TEMPLATES.items()}

_EVENTS = {
    "deploy.requested": "begins",
    "deploy.started": "begins",
    "deploy.succeeded": "succeeded",
    "deploy.partial": "partial",
    "deploy.failed": "failed",
    "deploy.cancelled": "cancelled",
    "deploy.needs_attention": "needs_attention",
}
_LOCKS = {
    "lock.acquired": "locked",
    "lock.released": "unlocked",
    "lock.expired": "unlocked",
    "lock.handed_over": "handed_over",
    "lock.taken_over": "handed_over",
}
# Hosts that catch up, and tasks, are nobody's news; what is retried is deployed again.
_DEPLOY_KINDS = {"deploy": "deploy", "retry": "deploy", "configuration": "deploy", "rollback": "rollback"}


def of_event(event: Event, *, base: str) -> Announcement | None:
    """What is announced of it, None for nothing; `base`: the address that links begin with."""
    key = _key(event)
    if key not in WORDS:
        return None
    facts = event.facts
    environment = "/".join(filter(None, (event.environment, str(facts.get("endpoint") or ""))))
    said = {name: str(facts[name]) for name in ("ref", "number", "reason", "live", "hosts", "place", "was", "end")
            if facts.get(name) is not None}  # fmt: skip
    said |= {
        "application": event.application,
        "environment": environment,
        "revision": str(facts.get("revision") or "")[:8],
        "who": str(facts.get("by") or facts.get("by_name") or event.actor or THE_DEPLOYER),
        "holder": str(facts.get("holder") or ""),
        "reason": str(facts.get("reason") or "").rstrip(". "),
        "link": f"{base}/deploys/{event.deploy}" if event.deploy else "",
    }
    word = WORDS[key]
    return Announcement(word, {name: clean(said.get(name, ""), LONGEST_FIELD) for name in word.fields})


def _key(event: Event) -> str:
    facts = event.facts if isinstance(event.facts, dict) else {}
    if event.kind in _LOCKS:
        return _LOCKS[event.kind] if facts.get("lock_kind") == "lock" else ""
    kind = _DEPLOY_KINDS.get(str(facts.get("deploy_kind")), "")
    if not kind:
        return ""
    if event.kind == "deploy.waiting":
        if facts.get("held"):
            return ""  # the lock that it met is told of at once
        return "approval" if facts.get("approvals") else "waiting"
    if event.kind == "deploy.met_lock":
        return "held"
    return f"{kind}.{_EVENTS[event.kind]}" if event.kind in _EVENTS else ""


def check_template(word: Word, template: str) -> str:
    """The template on one line. Raises TemplateWrong."""
    line = " ".join(template.split())
    if len(line) > LONGEST_TEMPLATE:
        raise TemplateWrong(f"A text has at most {LONGEST_TEMPLATE} characters.")
    if clean(line, LONGEST_TEMPLATE) != line:
        raise TemplateWrong("A text is made of characters that can be seen, and holds no credential.")
    for name in _FIELD.findall(line):
        if name not in word.fields:
            raise TemplateWrong(f"{{{name[:40]}}} is unknown there; there is {_known(word)}.")
    if set(_FIELD.sub("", line)) & {"{", "}"}:
        raise TemplateWrong(f"A brace stands alone. Fields are written {{name}}; there is {_known(word)}.")
    return line


def _known(word: Word) -> str:
    return ", ".join(f"{{{name}}}" for name in word.fields)


def fill(template: str, fields: Mapping[str, str]) -> str:
    """Fields take their values, whose own braces mean nothing."""
    return clean(_FIELD.sub(lambda found: fields.get(found[1], ""), template), LONGEST)


def clean(text: str, longest: int) -> str:
    """On one line, without what cannot be seen, and without what looks like a credential."""
    seen = "".join(" " if unicodedata.category(one) in _INVISIBLE else one for one in text)
    for pattern, instead in _CREDENTIALS:
        seen = pattern.sub(instead, seen)
    line = " ".join(seen.split())
    return line if len(line) <= longest else line[: longest - 1] + "…"


_SHOWN = {
    "application": "mobile-api",
    "ref": "intlrelease",
    "revision": "6957bb87",
    "environment": "staging",
    "who": "Ada Marsh",
    "holder": "Ada Marsh",
    "was": "Grace Hill",
    "number": "42",
    "reason": "None of 8 hosts went live",
    "live": "7",
    "hosts": "8",
    "place": "mobile-api/staging",
    "end": "until 29 Nov 15:00 UTC",
}

_REASONS = {
    "waiting": "#41 is running",
    "approval": "It needs 1 approval of the team release-managers",
    "held": "mobile-api/staging is locked by Grace Hill",
    "locked": "a demo for the board",
    "handed_over": "a demo for the board",
}


def example(word: Word, *, base: str) -> Announcement:
    """Made-up facts, for previews and tests of a channel."""
    facts = _SHOWN | {"link": f"{base}/deploys/42", "reason": _REASONS.get(word.kind, _SHOWN["reason"])}
    return Announcement(word, {name: facts[name] for name in word.fields})
