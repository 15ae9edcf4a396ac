"""Locks: who has reserved what, enforced in the verbs. Only this package writes them.

Errors are those of `environments.locks.errors`, and access.NotAllowed.
"""

from environments.locks.ends import DURATIONS, PRESETS, read_end
from environments.locks.errors import (
    Locked,
    LockError,
    LockGone,
    NoSuchQuestion,
    NothingToLock,
    NothingToWaitFor,
    NotYours,
    WrongEnd,
    WrongWords,
)
from environments.locks.holding import acquire, close_to_machines, confirm, extend, may_release, release, take
from environments.locks.line import in_line, leave_line, tell_me_when_free, wait_in_line
from environments.locks.looking_after import expire_due
from environments.locks.questions import AlreadyAsked, answer, ask, open_questions, told_to
from environments.locks.scopes import ALL, Scope, allows, covering, find, of_environment, of_row, of_target, visible
from environments.locks.standing import (
    RELATED,
    applying,
    by_scope,
    clock,
    find_lock,
    held,
    in_the_way,
    is_holder,
    standing_in_the_way,
    stopped,
)
from environments.locks.words import tell, tell_end, tell_who

__all__ = [
    "ALL",
    "DURATIONS",
    "PRESETS",
    "RELATED",
    "AlreadyAsked",
    "LockError",
    "LockGone",
    "Locked",
    "NoSuchQuestion",
    "NotYours",
    "NothingToLock",
    "NothingToWaitFor",
    "Scope",
    "WrongEnd",
    "WrongWords",
    "acquire",
    "allows",
    "answer",
    "applying",
    "ask",
    "by_scope",
    "clock",
    "close_to_machines",
    "confirm",
    "covering",
    "expire_due",
    "extend",
    "find",
    "find_lock",
    "held",
    "in_line",
    "in_the_way",
    "is_holder",
    "leave_line",
    "may_release",
    "of_environment",
    "of_row",
    "of_target",
    "open_questions",
    "read_end",
    "release",
    "standing_in_the_way",
    "stopped",
    "take",
    "tell",
    "tell_end",
    "tell_me_when_free",
    "tell_who",
    "told_to",
    "visible",
    "wait_in_line",
]
