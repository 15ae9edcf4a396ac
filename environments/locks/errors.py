"""Why a verb of locks did nothing.

LockError
├── Locked           somebody holds a lock of this scope already; `lock` is theirs
├── LockGone         it has ended meanwhile
├── NotYours         somebody else holds it
├── NothingToLock      there is no such environment or target
├── WrongWords       no reason or question, or one that is too long
├── WrongEnd         an end that is over, not later than it is, or needs another permission
├── NothingToWaitFor nobody holds it, or it is your own
├── NoSuchQuestion   it was answered already
├── Reserved         somebody has booked that time; `reservation` is theirs
├── ReservationGone  it has begun or is over
└── LinkUnusable     a link of a message that opens nothing (any more)
"""

from environments.models import Lock, Reservation


class LockError(Exception):
    """`str()` is the sentence for every door."""


class Locked(LockError):
    def __init__(self, lock: Lock, sentence: str) -> None:
        self.lock = lock
        super().__init__(sentence)


class LockGone(LockError):
    pass


class NotYours(LockError):
    pass


class NothingToLock(LockError):
    pass


class WrongWords(LockError):
    pass


class WrongEnd(LockError):
    pass


class NothingToWaitFor(LockError):
    pass


class NoSuchQuestion(LockError):
    pass


class Reserved(LockError):
    def __init__(self, reservation: Reservation, sentence: str) -> None:
        self.reservation = reservation
        super().__init__(sentence)


class ReservationGone(LockError):
    pass


class LinkUnusable(LockError):
    pass
