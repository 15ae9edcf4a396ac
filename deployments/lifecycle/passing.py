"""What passes a lock: a confirmation passes a warning, a reason lets a rollback or an emergency go over both.

An emergency also goes over a closed time, and over approvals.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from deployments.blockers import Blocker
from deployments.lifecycle.moves import record
from deployments.models import Deploy, Kind
from environments import access
from environments.locks import words
from environments.models import Lock, Target, User


@dataclass(frozen=True)
class Passing:
    """What a person said beforehand: `confirmed` the warnings; why a rollback goes `over` locks; why an emergency does.

    Machines say nothing of that kind, but that somebody has confirmed for them.
    """

    confirmed: bool = False
    over: str = ""
    override: str = ""


NOTHING_SAID = Passing()


def left_of(
    found: Sequence[Blocker], said: Passing, *, target: Target, kind: str, by: User | None, automatic: bool
) -> list[Blocker]:
    """Those blockers that are not passed. Raises NotAllowed, WrongWords."""
    if goes_over(found, said, target=target, kind=kind, by=by, automatic=automatic):
        return [it for it in found if not it.yields]
    return [it for it in found if not (said.confirmed and it.kind == "warning")]


def goes_over(
    found: Sequence[Blocker], said: Passing, *, target: Target, kind: str, by: User | None, automatic: bool
) -> bool:
    """Whether a person has said why this one goes over locks, and may. Raises NotAllowed, WrongWords."""
    if automatic or by is None or not any(it.yields for it in found):
        return False
    if said.override:
        access.require(by, access.OVERRIDE, target)
        return bool(words.read_reason(said.override, "why this is an emergency"))
    if not any(it.lock for it in found):
        return False
    return kind == Kind.ROLLBACK and bool(said.over) and bool(words.read_reason(said.over, "why you roll back"))


def tell_over(deploy: Deploy, found: Sequence[Blocker], said: Passing) -> None:
    """Word to each holder that somebody went over their lock, and to all of what else; in the caller's transaction."""
    _tell_holders(deploy, [it.lock for it in found if it.lock], said)
    rest = [it.sentence for it in found if it.yields and it.lock is None]
    if rest:
        why = words.read_reason(said.override, "why this is an emergency")
        record(deploy, "deploy.overrode", by=deploy.by, what_stood=" ".join(rest), why=why)


def _tell_holders(deploy: Deploy, locks: Sequence[Lock], said: Passing) -> None:
    kind, why = ("lock.overridden", said.override) if said.override else ("lock.rolled_back_over", said.over)
    for lock in locks:
        words.record(
            kind,
            lock,
            by=deploy.by,
            why=words.read_reason(why, "why"),
            to=lock.holder.username if lock.holder else "",
            number=deploy.number,
            over=deploy.pk,
            target=deploy.target.slug,
        )
