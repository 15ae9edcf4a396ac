"""What becomes of the locks of a target of which nothing is left."""

from environments.locks import booking, coming, ending
from environments.locks.words import record
from environments.models import BookingEnd, LineEnd, LockEnd, LockRequest, Target


def leave(target: Target) -> None:
    """Its locks, its line and what was booked end: who makes it again begins anew. In a transaction that holds it."""
    for wish in LockRequest.objects.filter(target=target, ended_at=None):
        ending.close(wish, LineEnd.GONE)
    for row in booking.reservations().filter(target=target, ended_at=None):
        if coming.finish(row, BookingEnd.CANCELLED):
            booking.record("reservation.cancelled", row, by=None, times=1)
    for lock in ending.rows().filter(target=target, released_at=None):
        if ending.end(lock, LockEnd.RELEASED, by_name="the Deployer"):
            record("lock.released", lock, by=None)
