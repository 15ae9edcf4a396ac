"""The verbs of a deploy: request, start, flip, cancel, retry, roll back, converge, end. Only they write its status.

Errors are those of `deployments.refusals`, and blockers.Blocked, access.NotAllowed, repositories.RepositoryError.
"""

from deployments.lifecycle.approving import approve, refuse
from deployments.lifecycle.ending import end, hold_all, request_cancel
from deployments.lifecycle.endpoints import look_after_endpoints, make_endpoint, take_away
from deployments.lifecycle.going_live import flip, flip_by_itself, rest
from deployments.lifecycle.holding import drop, leave, let_go
from deployments.lifecycle.passing import Passing
from deployments.lifecycle.queue import move_to_front, next_waiting
from deployments.lifecycle.reconfiguring import deploy_configuration
from deployments.lifecycle.requests import converge, request_deploy, retry, roll_back, run_task
from deployments.lifecycle.starting import start_waiting
from deployments.lifecycle.unlocking import HELD, answer, follow_link, look_after_locks, unlock
from deployments.refusals import (
    CannotRollBack,
    LifecycleError,
    NoSuchHosts,
    NotApprover,
    NotHeld,
    NothingToApprove,
    NothingToCancel,
    NothingToConverge,
    NothingToFlip,
    NothingToMove,
    NothingToReconfigure,
    NothingToRetry,
    OtherSubject,
    TaskRefused,
    WrongTime,
)

__all__ = [
    "HELD",
    "CannotRollBack",
    "LifecycleError",
    "NoSuchHosts",
    "NotApprover",
    "NotHeld",
    "NothingToApprove",
    "NothingToCancel",
    "NothingToConverge",
    "NothingToFlip",
    "NothingToMove",
    "NothingToReconfigure",
    "NothingToRetry",
    "OtherSubject",
    "Passing",
    "TaskRefused",
    "WrongTime",
    "answer",
    "approve",
    "converge",
    "deploy_configuration",
    "drop",
    "end",
    "flip",
    "flip_by_itself",
    "follow_link",
    "hold_all",
    "leave",
    "let_go",
    "look_after_endpoints",
    "look_after_locks",
    "make_endpoint",
    "move_to_front",
    "next_waiting",
    "refuse",
    "request_cancel",
    "request_deploy",
    "rest",
    "retry",
    "roll_back",
    "run_task",
    "start_waiting",
    "take_away",
    "unlock",
]
