"""Approving a deploy that waits, or refusing it."""

from datetime import timedelta

from django.db import transaction

from deployments import approvals, live, log
from deployments.doorbell import ring
from deployments.lifecycle.ending import end_waiting
from deployments.lifecycle.moves import lock as lock_target
from deployments.lifecycle.moves import record
from deployments.models import Approval, Deploy
from deployments.refusals import NotApprover, NothingToApprove, OtherSubject
from deployments.states import DeployStatus
from environments import access, locks
from environments.locks.words import read_reason
from environments.models import User

S = DeployStatus


def approve(deploy: Deploy, *, by: User, subject: str, word: str = "") -> None:
    """Say that exactly this may go out: `subject` is what the approver was shown.

    Raises NothingToApprove, NotApprover, OtherSubject, WrongWords, NotAllowed.
    """
    words = read_reason(word, "what you think of it") if word.strip() else ""
    with transaction.atomic():
        fresh = _asked(deploy, by, subject)
        until = locks.clock() + timedelta(hours=fresh.target.approval_hours)
        _write(fresh, by, approved=True, word=words, until_hours=fresh.target.approval_hours)
        record(fresh, "deploy.approved", by=by, giver=by.full_name, word=words, until=until.isoformat())
        log.say(fresh, f"{by.full_name} approves {fresh.revision[:8]}{_told(words)}.")
        transaction.on_commit(lambda: ring(fresh.pk))
        transaction.on_commit(lambda: live.announce(fresh.pk, changed=True))


def refuse(deploy: Deploy, *, by: User, subject: str, word: str) -> None:
    """Say that it may not go out, and why: it is cancelled. Raises as approve does."""
    words = read_reason(word, "why you refuse it")
    with transaction.atomic():
        fresh = _asked(deploy, by, subject)
        _write(fresh, by, approved=False, word=words, until_hours=0)
        record(fresh, "deploy.refused", by=by, giver=by.full_name, word=words)
        end_waiting(fresh, f"{by.full_name} refused it: {words}", by=by)


def _asked(deploy: Deploy, by: User, subject: str) -> Deploy:
    """The deploy as it is now, with its target held, if `by` may say something of it."""
    target = deploy.target
    access.require(by, access.VIEW, target)
    lock_target(target)
    related = ("target__application", "target__environment", "target__approvers", "release", "of", "by", "let_go_by")
    fresh = Deploy.objects.select_related(*related).get(pk=deploy.pk)
    if fresh.status != S.WAITING or not approvals.asks(fresh.target, fresh.kind) or fresh.over_locks:
        raise NothingToApprove(f"#{fresh.number} of {target.slug} does not wait for approval. Nothing was changed.")
    if by.pk in approvals.askers_of(fresh):
        raise NotApprover(f"You asked for #{fresh.number} yourself, so others approve it. Nothing was changed.")
    assert fresh.target.approvers is not None
    if not fresh.target.approvers.members.filter(pk=by.pk, is_active=True).exists():
        raise NotApprover(
            f"{target.slug} is approved by the team {fresh.target.approvers}, and you are none of it. "
            "Nothing was changed."
        )
    now = approvals.subject_of(fresh)
    if subject != now or fresh.subject not in ("", now):
        raise OtherSubject(
            f"What you looked at is not what #{fresh.number} of {target.slug} is: another revision, configuration or "
            "step. Nothing was changed; look at it again."
        )
    return fresh


def _write(deploy: Deploy, by: User, *, approved: bool, word: str, until_hours: int) -> None:
    now = locks.clock()
    subject = approvals.subject_of(deploy)
    Deploy.objects.filter(pk=deploy.pk, subject="").update(subject=subject)  # one of an older version
    facts = {"subject": subject, "by_name": by.full_name, "approved": approved, "word": word}
    times = {"at": now, "until": now + timedelta(hours=until_hours)}
    Approval.objects.update_or_create(deploy=deploy, by=by, defaults=facts | times)


def _told(words: str) -> str:
    return f": {words.rstrip('. ')}" if words else ""
