"""Asking the holder: release it, extend it, or no."""

from collections.abc import Iterable
from datetime import datetime

from django.db import IntegrityError, transaction
from django.db.models import QuerySet
from django.db.models.functions import Now

from environments import access
from environments.locks import holding
from environments.locks.errors import LockError, NoSuchQuestion, NotYours, WrongWords
from environments.locks.scopes import of_row, require
from environments.locks.standing import LASTS, clock, is_holder
from environments.locks.words import addressees, read_reason, record, tell
from environments.models import Answer, Lock, LockQuestion, User


class AlreadyAsked(LockError):
    pass


def ask(lock: Lock, *, by: User, text: str) -> LockQuestion:
    """Ask the holder for it. One question of each person at a time.

    Raises NotAllowed, WrongWords, NotYours, LockGone, AlreadyAsked.
    """
    require(by, access.LOCK, of_row(lock))
    words = read_reason(text, "what you need it for")
    if is_holder(lock, by) or lock.machines_only or lock.orphaned:
        raise NotYours(f"{tell(lock)}. There is nobody else to ask. Nothing was changed.")
    with transaction.atomic():
        if not Lock.objects.filter(LASTS, pk=lock.pk, released_at=None).exists():
            raise holding.gone(lock)
        try:
            with transaction.atomic():
                asked = LockQuestion.objects.create(
                    lock=lock, by=by, by_name=by.full_name, text=words, asked_at=clock()
                )
        except IntegrityError:
            raise AlreadyAsked("You have asked already, and there is no answer yet. Nothing was changed.") from None
        record("lock.asked", lock, by=by, question=words, asked=asked.pk, to=addressees(lock))
    return asked


def answer(question: LockQuestion, what: str, *, by: User, until: datetime | None = None) -> None:
    """Answer what somebody asked: `release` it, `extend` it to `until`, or `no`.

    Raises NotYours, NoSuchQuestion, WrongWords, and what release and extend raise.
    """
    lock = question.lock
    if not is_holder(lock, by):
        raise NotYours(f"{tell(lock)}. Only its holder can answer. Nothing was changed.")
    if what not in Answer.values:
        raise WrongWords(f"{what!r} is no answer: say {', '.join(Answer.values)}. Nothing was changed.")
    with transaction.atomic():
        fresh = LockQuestion.objects.filter(pk=question.pk, answered_at=None)
        if not fresh.update(answer=what, answered_at=Now(), answered_by_name=by.full_name):
            raise NoSuchQuestion("This question was answered already. Nothing was changed.")
        record("lock.answered", lock, by=by, asker=question.by_name, answer=what, to=_asker(question))
        if what == Answer.RELEASE:
            holding.release(lock, by=by)
        elif what == Answer.EXTEND:
            holding.extend(lock, by=by, until=until)


def told_to(viewer: User, questions: Iterable[LockQuestion], *, holds: bool) -> list[LockQuestion]:
    """Which of these questions about one lock `viewer` is told: all as its holder, else what they asked themselves."""
    return [question for question in questions if holds or question.by_id == viewer.pk]


def open_questions() -> QuerySet[LockQuestion]:
    """Those without an answer, about locks that are held."""
    rows = LockQuestion.objects.filter(answered_at=None, lock__released_at=None)
    return rows.select_related("by", "lock__holder", "lock__team", "lock__environment", "lock__target")


def _asker(question: LockQuestion) -> str:
    return question.by.username if question.by else ""
