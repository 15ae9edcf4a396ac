"""Why a verb of lifecycle did nothing.

LifecycleError
├── NothingToCancel    the deploy is over
├── NothingToRetry     it is not over, no host failed, or a newer one has taken over
├── NoSuchHosts        hosts were named that are none of the target's, or none at all
├── TaskRefused        wrong parameters or hosts for a task
├── NothingToConverge  no host differs from what is live
├── NothingToReconfigure  what is live has the configuration of now
├── NothingToFlip      it does not wait to go live
├── NotHeld            no lock holds it
├── NothingToMove      it does not wait for its turn, or is first
├── NothingToApprove   it does not wait for an approval
├── NotApprover        not one of the team that approves, or one's own deploy
├── OtherSubject       what was approved is not what the deploy is
├── WrongTime          a time to go live that is over
└── CannotRollBack     no release to go back to, or hosts lack it and it cannot be laid out anew
"""


class LifecycleError(Exception):
    """`str()` is the sentence for every door."""


class NothingToCancel(LifecycleError):
    pass


class NothingToRetry(LifecycleError):
    pass


class NothingToConverge(LifecycleError):
    pass


class NothingToReconfigure(LifecycleError):
    pass


class NothingToFlip(LifecycleError):
    pass


class NotHeld(LifecycleError):
    pass


class NoSuchHosts(LifecycleError):
    pass


class TaskRefused(LifecycleError):
    pass


class WrongTime(LifecycleError):
    pass


class CannotRollBack(LifecycleError):
    pass


class NothingToMove(LifecycleError):
    pass


class NothingToApprove(LifecycleError):
    pass


class NotApprover(LifecycleError):
    pass


class OtherSubject(LifecycleError):
    pass
