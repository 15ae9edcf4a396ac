"""Whether a deploy has the approvals that its target asks for. deployments.lifecycle.approving writes them.

An approval counts for one subject: a revision with its configuration and its steps on a target. Whatever of these is
another needs new ones. It counts while its giver is in the team that approves, and never for what one asks for oneself.
"""

import hashlib
import json
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from django.db.models import F
from django.db.models.functions import Now
from django.urls import reverse

from deployments.blocker import APPROVAL, Blocker
from deployments.closed_times import NEVER_WAIT
from deployments.models import Approval, Deploy, Kind, Release
from environments.models import Target

Given = Mapping[str, list[tuple[int, str]]]  # who approved, id and name, by subject


@dataclass(frozen=True)
class Standing:
    """How far a deploy is: who has approved what it is, of how many."""

    needed: int
    team: str
    names: tuple[str, ...]

    @property
    def lacking(self) -> int:
        return max(0, self.needed - len(self.names))

    @property
    def words(self) -> str:
        """`1 of 2 approvals of the team release-managers are given: Ada Marsh.`"""
        count = "approval" if self.needed == 1 else "approvals"
        who = f" (by {', '.join(self.names)})" if self.names else ""
        return f"It needs {self.needed} {count} of the team {self.team}; {len(self.names)} given{who}."


def digest(target: Target, revision: str, release: Release | None, recipe: Mapping[str, Any]) -> str:
    """What is approved. Equal only for the same revision, configuration and steps on the same target."""
    configuration = release.configuration_digest if release else ""
    facts = {"target": target.pk, "revision": revision, "configuration": configuration, "recipe": recipe}
    return hashlib.sha256(json.dumps(facts, sort_keys=True, default=str).encode()).hexdigest()


def subject_of(deploy: Deploy) -> str:
    """The same, of a deploy as it is now."""
    return digest(deploy.target, deploy.revision, deploy.release, deploy.recipe)


def given_on(target: Target) -> Given:
    """The approvals that count there now. One query; none where the target asks for none."""
    return given_on_any([target])


def given_on_any(targets: Iterable[Target]) -> Given:
    """The same for many: a subject is of one target."""
    found: dict[str, list[tuple[int, str]]] = {}
    asking = {target.pk for target in targets if target.approvals}
    if not asking:
        return found
    rows = Approval.objects.filter(
        deploy__target__in=asking,
        approved=True,
        until__gt=Now(),
        by__is_active=True,
        by__teams=F("deploy__target__approvers"),
    )
    for subject, by, name in rows.order_by("pk").values_list("subject", "by", "by_name"):
        people = found.setdefault(subject, [])
        if by not in [one for one, _ in people]:
            people.append((by, name))
    return found


def asks(target: Target, kind: str) -> bool:
    """Whether a deploy of this kind needs approvals there."""
    return target.approvals > 0 and kind not in NEVER_WAIT


def standing(target: Target, subject: str, given: Given, *, askers: Collection[int | None]) -> Standing:
    """How far it is, for whom it is asked: those never count."""
    names = [name for by, name in given.get(subject, ()) if by not in askers]
    assert target.approvers is not None
    return Standing(target.approvals, target.approvers.name, tuple(names))


def askers_of(deploy: Deploy) -> tuple[int | None, ...]:
    """Who wants it, and so cannot approve it."""
    return (deploy.by_id, deploy.let_go_by_id)


def may_start(deploy: Deploy, target: Target, given: Given) -> bool:
    """Whether one that waits has what it needs, by the subject that was stored with it."""
    if not asks(target, deploy.kind) or deploy.over_locks or is_covered(deploy.kind, deploy.of, deploy.subject):
        return True
    return not standing(target, deploy.subject, given, askers=askers_of(deploy)).lacking


def is_covered(kind: str, of: Deploy | None, subject: str) -> bool:
    """A retry of what has begun, unchanged, needs no approval of its own."""
    return (
        kind == Kind.RETRY and of is not None and of.started_at is not None and bool(subject) and of.subject == subject
    )


def lacking(
    target: Target, *, kind: str, subject: str, askers: Collection[int | None], of: Deploy | None, deploy: Deploy | None
) -> list[Blocker]:
    """What stands in the way of a deploy of this subject; `deploy` is its row, once there is one."""
    if not asks(target, kind) or is_covered(kind, of, subject):
        return []
    now = standing(target, subject, given_on(target), askers=askers)
    if not now.lacking:
        return []
    address = reverse("deploy", args=[deploy.pk]) if deploy else ""
    return [Blocker(APPROVAL, now.words, who=now.team, url=address)]


def of_deploy(deploy: Deploy) -> list[Blocker]:
    """The same for one that waits, asked of what it is now. One query; none where nothing is asked for."""
    target = deploy.target
    if not asks(target, deploy.kind) or deploy.over_locks:
        return []
    return lacking(
        target,
        kind=deploy.kind,
        subject=subject_of(deploy),
        askers=askers_of(deploy),
        of=deploy.of,
        deploy=deploy,
    )


def without(found: Iterable[Blocker]) -> list[Blocker]:
    """All but approvals: those one can only get while it waits."""
    return [it for it in found if it.kind != APPROVAL]
