"""The hook inbox: what came, newest first, and what became of it on each target that one may view."""

from collections import defaultdict
from dataclasses import dataclass

from deployments.hooks import inbox, kinds
from deployments.models import HookDecision, HookDelivery, Word
from environments import sight
from environments.models import User

PAGE = 50
TONES = {
    Word.DEPLOYED: ("ok", "d-succeeded"),
    Word.HELD: ("warn", "d-waiting"),
    Word.QUEUED: ("idle", "d-waiting"),
    Word.CHECKS: ("idle", "d-waiting"),
    Word.FAILED: ("bad", "d-failed"),
    Word.REFUSED: ("bad", "d-failed"),
    Word.UNSIGNED: ("bad", "d-failed"),
}
QUIET = ("idle", "d-cancelled")


@dataclass(slots=True)
class Outcome:
    """What became of it on a target, or of all of it where `decision` is None."""

    word: str
    tone: str
    shape: str
    told: str
    decision: HookDecision | None = None


@dataclass(slots=True)
class Row:
    """One delivery; `kind` is the name of who sent it."""

    delivery: HookDelivery
    kind: str
    outcomes: list[Outcome]


@dataclass(slots=True)
class Inbox:
    """Everything that the page shows."""

    rows: list[Row]
    older: int
    applications: list[str]


def read_inbox(user: User, *, application: str = "", word: str = "", before: int = 0) -> Inbox:
    """A few queries, whatever came."""
    rows = inbox.visible(user)
    if application:
        rows = rows.filter(source__application__name=application)
    if word:
        rows = rows.filter(decision=word)
    if before:
        rows = rows.filter(pk__lt=before)
    found = list(rows.order_by("-pk")[: PAGE + 1])
    shown = found[:PAGE]
    decided = _decisions(user, [one.pk for one in shown])
    names = inbox.visible(user).order_by().values_list("source__application__name", flat=True).distinct()
    older = shown[-1].pk if len(found) > PAGE else 0
    return Inbox([_row(one, decided[one.pk]) for one in shown], older, sorted(names)[:500])


def read_row(user: User, delivery: HookDelivery) -> Row:
    return _row(delivery, _decisions(user, [delivery.pk])[delivery.pk])


def _decisions(user: User, ids: list[int]) -> dict[int, list[HookDecision]]:
    rows = HookDecision.objects.filter(sight.of_targets(user, "target__"), delivery__in=ids)
    found: dict[int, list[HookDecision]] = defaultdict(list)
    for one in rows.select_related("target__application", "target__environment", "deploy").order_by("pk"):
        found[one.delivery_id].append(one)
    return found


def _row(delivery: HookDelivery, decided: list[HookDecision]) -> Row:
    kind = kinds.KINDS.get(delivery.source.kind)
    if decided:
        outcomes = [_outcome(one.word, one.told, one) for one in decided]
    elif delivery.decision:
        outcomes = [_outcome(delivery.decision, delivery.told)]
    else:
        outcomes = [Outcome("is worked on", "idle", "d-waiting", delivery.told)]
    return Row(delivery, kind.TOLD.title if kind else delivery.source.kind, outcomes)


def _outcome(word: str, told: str, decision: HookDecision | None = None) -> Outcome:
    """A deploy that has ended since says so itself."""
    deploy = decision.deploy if decision else None
    if deploy is not None and deploy.reason and word in (Word.HELD, Word.QUEUED):
        told = f"{told} {deploy.reason}"
    return Outcome(str(Word(word).label), *TONES.get(Word(word), QUIET), told, decision)
