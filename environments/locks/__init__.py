"""Locks: who has reserved what, enforced in the verbs. Only this package writes them.

Errors are those of `environments.locks.errors`, and access.NotAllowed.
"""

from environments.locks.ahead import ahead_of, reaches_into, tell_ahead
from environments.locks.booking import book, cancel, may_change, move, overlapping, reservations
from environments.locks.booking import coming as coming_reservations
from environments.locks.booking import tell as tell_reservation
from environments.locks.coming import tell_times
from environments.locks.ends import DURATIONS, PRESETS, find_zone, read_end
from environments.locks.errors import (
    LinkUnusable,
    Locked,
    LockError,
    LockGone,
    NoSuchQuestion,
    NothingToLock,
    NothingToWaitFor,
    NotYours,
    ReservationGone,
    Reserved,
    WrongEnd,
    WrongWords,
)
from environments.locks.holding import acquire, close_to_machines, confirm, extend, may_release, release, take
from environments.locks.leaving import leave
from environments.locks.line import in_line, leave_line, tell_me_when_free, wait_in_line
from environments.locks.links import ACTS as LINK_ACTS
from environments.locks.links import Link, links_of, read_link, spend
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
    "LINK_ACTS",
    "PRESETS",
    "RELATED",
    "AlreadyAsked",
    "Link",
    "LinkUnusable",
    "LockError",
    "LockGone",
    "Locked",
    "NoSuchQuestion",
    "NotYours",
    "NothingToLock",
    "NothingToWaitFor",
    "ReservationGone",
    "Reserved",
    "Scope",
    "WrongEnd",
    "WrongWords",
    "acquire",
    "ahead_of",
    "allows",
    "answer",
    "applying",
    "ask",
    "book",
    "by_scope",
    "cancel",
    "clock",
    "close_to_machines",
    "coming_reservations",
    "confirm",
    "covering",
    "expire_due",
    "extend",
    "find",
    "find_lock",
    "find_zone",
    "held",
    "in_line",
    "in_the_way",
    "is_holder",
    "leave",
    "leave_line",
    "links_of",
    "may_change",
    "may_release",
    "move",
    "of_environment",
    "of_row",
    "of_target",
    "open_questions",
    "overlapping",
    "reaches_into",
    "read_end",
    "read_link",
    "release",
    "reservations",
    "spend",
    "standing_in_the_way",
    "stopped",
    "take",
    "tell",
    "tell_ahead",
    "tell_end",
    "tell_me_when_free",
    "tell_reservation",
    "tell_times",
    "tell_who",
    "told_to",
    "visible",
    "wait_in_line",
]
