"""What is approved on the page of a deploy, and by whom: exactly what an approver says yes to."""

from dataclasses import dataclass

from deployments import approvals
from deployments.models import Approval, Deploy
from deployments.states import DeployStatus
from environments.models import User


@dataclass(slots=True)
class Step:
    """A step as it will run."""

    name: str
    phase: str
    command: str


@dataclass(slots=True)
class ApprovalCard:
    """`subject` goes back with the answer, so that nobody says yes to what they have not seen."""

    standing: approvals.Standing
    subject: str
    configuration: str
    steps: list[Step]
    said: list[Approval]
    may: bool
    why_not: str
    waits: bool


def read_card(deploy: Deploy, user: User | None) -> ApprovalCard | None:
    """None where nobody is asked. A few queries, whatever the history."""
    target = deploy.target
    if not approvals.asks(target, deploy.kind):
        return None
    said = list(Approval.objects.filter(deploy=deploy))
    waits = deploy.status == DeployStatus.WAITING and not deploy.over_locks
    if not (waits or said):
        return None
    subject = approvals.subject_of(deploy)
    standing = approvals.standing(target, subject, approvals.given_on(target), askers=approvals.askers_of(deploy))
    why_not = why_may_not(deploy, user)
    return ApprovalCard(
        standing=standing,
        subject=subject,
        configuration=deploy.release.configuration_digest[:12] if deploy.release else "",
        steps=[_step(facts) for facts in deploy.recipe.get("steps", ())],
        said=said,
        may=waits and not why_not and not any(one.by_id == (user.pk if user else None) for one in said),
        why_not=why_not,
        waits=waits,
    )


def why_may_not(deploy: Deploy, user: User | None) -> str:
    """Why this person cannot approve it; empty: they may."""
    if user is None:
        return ""
    if user.pk in approvals.askers_of(deploy):
        return "You asked for it yourself, so others approve it."
    team = deploy.target.approvers
    if team is None or not team.members.filter(pk=user.pk).exists():
        return f"The team {team} approves it, and you are none of it."
    return ""


def _step(facts: dict[str, object]) -> Step:
    return Step(str(facts.get("name", "")), str(facts.get("phase", "")), str(facts.get("command", "")))
