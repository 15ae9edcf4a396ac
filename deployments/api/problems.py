"""Every refusal of the API as `application/problem+json` (RFC 9457).

Errors of the API itself; those of the verbs are in the table below:

    Problem
    ├── Unauthenticated    401  no credentials, or such that open nothing
    ├── CsrfRefused        403  a session without its CSRF token, or from another site
    ├── FactorOwed         403  a session whose person must set up a second factor first
    ├── NotFound           404
    ├── Unacceptable       400  a body or parameter that cannot be understood
    ├── WrongMediaType     415
    └── TooLarge           413
"""

import json
import logging
from typing import Any

from django.core.exceptions import RequestDataTooBig
from django.db import InterfaceError, OperationalError
from django.http import Http404, HttpRequest, HttpResponse
from ninja.errors import HttpError, ValidationError

from deployments.api.representation import represent_blockers, represent_lock, represent_reservation
from deployments.blockers import Blocked
from deployments.hooks.errors import HookError, NoSuchSource, NothingToReplay, NotSigned, SourceWrong, TooLargeBody
from deployments.hooks.errors import TooMany as TooManyHooks
from deployments.recipe_file import RecipeFileError
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
from deployments.release_configuration import ConfigurationUnusable
from environments.access import NotAllowed
from environments.adding_applications import ApplicationError, ApplicationTaken
from environments.adding_hosts import HostElsewhere, HostTaken, LabelsWrong
from environments.approval_rules import WrongApprovals
from environments.channels.errors import ChannelError, ChannelTaken, NotStopped, TestFailed
from environments.configuration.errors import ConfigurationError, NoSuchScope, NoSuchValue, NothingToUndo
from environments.editing_targets import TargetTaken, TargetWrong
from environments.endpoints import (
    EndpointError,
    EndpointGone,
    EndpointTaken,
    NoOffer,
    NoPortLeft,
    TooMany,
    WrongName,
    WrongOffer,
)
from environments.granting import GrantError, WrongRole
from environments.host_authorities import AuthorityError, AuthorityThere
from environments.host_keys import HostKeyError
from environments.host_lines import LinesWrong
from environments.host_notes import NoteTooLong
from environments.locks import (
    Locked,
    LockError,
    LockGone,
    NothingToLock,
    NotYours,
    ReservationGone,
    Reserved,
    WrongEnd,
    WrongWords,
)
from environments.mail import NotSent
from environments.observing import ObservedError, WrongFolder
from environments.people import NameTaken as PersonTaken
from environments.people import PeopleError
from environments.people import WrongAddress as WrongMailAddress
from environments.people import WrongName as WrongUserName
from environments.places import PlaceError
from environments.policies import WrongPolicy
from environments.preset import PresetError
from environments.providers.errors import (
    NoSuchMapping,
    NoSuchProvider,
    ProviderError,
    ProviderTaken,
    ProviderWrong,
    WrongMapping,
)
from environments.repositories import RefNotFound, RepositoryError
from environments.sealed import CannotOpen
from environments.second_factors import FactorError
from environments.secret_stores.errors import NoSuchStore, NotFetched, StoreError, StoreInUse, StoreTaken
from environments.setting_aside import AsideError, NoReason
from environments.signing import NoSigner, SignerError
from environments.signing import NotSigned as KeyNotSigned
from environments.sources.heartbeats import LEAST, NoHeartbeats, TooSoon
from environments.sources.listing import NameTaken as SourceNameTaken
from environments.sources.listing import NotReadable, SaysOtherwise, SourceError
from environments.teams import NameTaken as TeamTaken
from environments.teams import TeamError
from environments.teams import WrongName as WrongTeamName
from environments.tokens import NoName, UserDisabled, WrongDays, WrongScope
from environments.tries import TooManyTries
from environments.trusting import ListWrong, TrustError
from environments.windows import NotYours as FreezeNotYours
from environments.windows import WindowError, WrongFreeze, WrongWindow
from notifications import events

log = logging.getLogger(__name__)


class Problem(Exception):
    status = 400
    kind = "unacceptable"

    def __init__(self, detail: str) -> None:
        self.detail = detail
        super().__init__(detail)


class Unauthenticated(Problem):
    status = 401
    kind = "unauthenticated"


class CsrfRefused(Problem):
    status = 403
    kind = "csrf"


class FactorOwed(Problem):
    status = 403
    kind = "second-factor"


class NotFound(Problem):
    status = 404
    kind = "not-found"


class Unacceptable(Problem):
    pass


class WrongMediaType(Problem):
    status = 415
    kind = "wrong-media-type"


class TooLarge(Problem):
    status = 413
    kind = "too-large"


TITLES = {
    "unauthenticated": "Sign in first",
    "not-signed": "It is not signed",
    "too-many-tries": "Too many wrong tries",
    "not-allowed": "Not allowed",
    "csrf": "Not from our own page",
    "second-factor": "A second factor is required",
    "not-found": "Not found",
    "method-not-allowed": "This method does nothing here",
    "unacceptable": "The request cannot be understood",
    "wrong-media-type": "The body must be JSON",
    "too-large": "The request is too large",
    "blocked": "The target cannot be deployed now",
    "nothing-to-cancel": "Nothing to cancel",
    "nothing-to-retry": "Nothing to retry",
    "nothing-to-converge": "Nothing to converge",
    "nothing-to-deploy": "It is live already",
    "nothing-to-flip": "Nothing waits to go live",
    "no-such-hosts": "Not hosts of this target",
    "task-refused": "The task cannot run so",
    "wrong-time": "That time is over",
    "not-held": "No lock holds it",
    "locked": "Somebody holds the lock",
    "lock-gone": "The lock has ended",
    "reserved": "Somebody has reserved that time",
    "reservation-gone": "The reservation has begun or is over",
    "not-yours": "It is somebody else's",
    "nothing-to-move": "Nothing to move",
    "nothing-to-approve": "Nothing to approve",
    "not-approver": "Others approve it",
    "other-subject": "It is not what was looked at",
    "cannot-roll-back": "Cannot roll back",
    "not-possible": "Not possible now",
    "taken": "There is one already",
    "wrong-values": "Some values cannot be",
    "no-such-value": "Nothing of that name is set there",
    "nothing-to-undo": "It cannot be undone any more",
    "ref-not-found": "No such branch, tag or commit",
    "recipe-file": "The repository's deployer.yml cannot be used",
    "too-many": "There are as many as there may be",
    "gone": "It is there no more",
    "configuration": "A file with places for values cannot be filled",
    "repository": "The repository could not be read",
    "signer": "The command gave no certificate",
    "source": "The source of hosts could not be read",
    "too-often": "Asked too often",
    "channel": "The channel did not take it",
    "secret-store": "The secret store did not say it",
    "sealed": "A stored secret cannot be opened",
    "database": "The database does not answer",
    "broken": "The Deployer made a mistake",
}

# What the verbs raise, nearest class first.
REFUSALS: tuple[tuple[type[Exception], int, str], ...] = (
    (Blocked, 409, "blocked"),
    (NothingToCancel, 409, "nothing-to-cancel"),
    (NothingToRetry, 409, "nothing-to-retry"),
    (NothingToConverge, 409, "nothing-to-converge"),
    (NothingToFlip, 409, "nothing-to-flip"),
    (NothingToReconfigure, 409, "nothing-to-deploy"),
    (NoSuchHosts, 400, "no-such-hosts"),
    (TaskRefused, 400, "task-refused"),
    (WrongTime, 400, "wrong-time"),
    (NotHeld, 409, "not-held"),
    (Locked, 409, "locked"),
    (LockGone, 409, "lock-gone"),
    (Reserved, 409, "reserved"),
    (ReservationGone, 409, "reservation-gone"),
    (NotYours, 403, "not-yours"),
    (NothingToLock, 400, "wrong-values"),
    (WrongWords, 400, "wrong-values"),
    (WrongEnd, 400, "wrong-values"),
    (LockError, 409, "not-possible"),
    (WrongWindow, 400, "wrong-values"),
    (WrongFreeze, 400, "wrong-values"),
    (FreezeNotYours, 403, "not-yours"),
    (WindowError, 409, "not-possible"),
    (WrongApprovals, 400, "wrong-values"),
    (WrongPolicy, 400, "wrong-values"),
    (SourceWrong, 400, "wrong-values"),
    (NoSuchSource, 404, "not-found"),
    (NotSigned, 401, "not-signed"),
    (TooLargeBody, 413, "too-large"),
    (TooManyHooks, 429, "too-often"),
    (NothingToReplay, 409, "not-possible"),
    (HookError, 400, "wrong-values"),
    (WrongName, 400, "wrong-values"),
    (WrongOffer, 400, "wrong-values"),
    (NoOffer, 409, "not-possible"),
    (EndpointTaken, 409, "taken"),
    (TooMany, 409, "too-many"),
    (NoPortLeft, 409, "too-many"),
    (EndpointGone, 409, "gone"),
    (EndpointError, 409, "not-possible"),
    (ChannelTaken, 409, "taken"),
    (NotStopped, 409, "not-possible"),
    (TestFailed, 409, "channel"),
    (ChannelError, 400, "wrong-values"),
    (NothingToMove, 409, "nothing-to-move"),
    (NothingToApprove, 409, "nothing-to-approve"),
    (NotApprover, 403, "not-approver"),
    (OtherSubject, 409, "other-subject"),
    (CannotRollBack, 409, "cannot-roll-back"),
    (LifecycleError, 409, "not-possible"),
    (RecipeFileError, 409, "recipe-file"),
    (ConfigurationUnusable, 409, "configuration"),
    (PresetError, 409, "not-possible"),
    (ApplicationTaken, 409, "taken"),
    (TargetTaken, 409, "taken"),
    (HostTaken, 409, "taken"),
    (HostElsewhere, 409, "taken"),
    (LabelsWrong, 400, "wrong-values"),
    (NoSigner, 404, "not-found"),
    (KeyNotSigned, 502, "signer"),
    (SignerError, 400, "wrong-values"),
    (ListWrong, 400, "wrong-values"),
    (TrustError, 409, "not-possible"),
    (AuthorityThere, 409, "taken"),
    (AuthorityError, 400, "wrong-values"),
    (HostKeyError, 409, "not-possible"),
    (WrongFolder, 400, "wrong-values"),
    (ObservedError, 409, "not-possible"),
    (NoteTooLong, 400, "wrong-values"),
    (NoReason, 400, "wrong-values"),
    (AsideError, 409, "not-possible"),
    (ApplicationError, 400, "wrong-values"),
    (TargetWrong, 400, "wrong-values"),
    (NoSuchScope, 404, "not-found"),
    (NoSuchValue, 404, "no-such-value"),
    (NothingToUndo, 409, "nothing-to-undo"),
    (ConfigurationError, 400, "wrong-values"),
    (LinesWrong, 400, "wrong-values"),
    (PlaceError, 400, "wrong-values"),
    (NotReadable, 502, "source"),
    (TooSoon, 429, "too-often"),
    (NoHeartbeats, 409, "not-possible"),
    (SourceNameTaken, 409, "taken"),
    (SaysOtherwise, 409, "not-possible"),
    (SourceError, 400, "wrong-values"),
    (RefNotFound, 400, "ref-not-found"),
    (RepositoryError, 502, "repository"),
    (NotFetched, 502, "secret-store"),
    (StoreTaken, 409, "taken"),
    (StoreInUse, 409, "not-possible"),
    (NoSuchStore, 404, "not-found"),
    (StoreError, 400, "wrong-values"),
    (NoName, 400, "wrong-values"),
    (WrongScope, 400, "wrong-values"),
    (WrongDays, 400, "wrong-values"),
    (UserDisabled, 409, "not-possible"),
    (PersonTaken, 409, "taken"),
    (WrongUserName, 400, "wrong-values"),
    (WrongMailAddress, 400, "wrong-values"),
    (PeopleError, 409, "not-possible"),
    (NoSuchProvider, 404, "not-found"),
    (NoSuchMapping, 404, "not-found"),
    (ProviderTaken, 409, "taken"),
    (ProviderWrong, 400, "wrong-values"),
    (WrongMapping, 400, "wrong-values"),
    (ProviderError, 409, "not-possible"),
    (NotSent, 409, "not-possible"),
    (FactorError, 409, "not-possible"),
    (TeamTaken, 409, "taken"),
    (WrongTeamName, 400, "wrong-values"),
    (TeamError, 409, "not-possible"),
    (WrongRole, 400, "wrong-values"),
    (GrantError, 409, "not-possible"),
    (CannotOpen, 500, "sealed"),
)


def problem(status: int, kind: str, detail: str, **more: Any) -> HttpResponse:
    """One answer of RFC 9457; `kind` is a word for machines, `detail` the sentence for people."""
    facts = {"type": f"urn:deployer:{kind}", "title": TITLES[kind], "status": status, "detail": detail, "kind": kind}
    headers = {"Cache-Control": "no-store"}
    if status == 401:
        headers["WWW-Authenticate"] = "Bearer"
    if status == 503:
        headers["Retry-After"] = "5"
    if status == 429:
        headers["Retry-After"] = str(LEAST.seconds)
    return HttpResponse(json.dumps(facts | more), "application/problem+json", status, headers=headers)


def answer(request: HttpRequest, error: Exception | type[Exception]) -> HttpResponse:
    """What the API answers to an error, whichever it is."""
    assert isinstance(error, Exception)  # the framework's type also allows a class
    if isinstance(error, HttpError) and isinstance(error.__cause__, Problem):
        error = error.__cause__  # the body's parser raised it; the framework has wrapped it
    if isinstance(error, Problem):
        return problem(error.status, error.kind, error.detail)
    if isinstance(error, TooManyTries):
        refusal = problem(429, "too-many-tries", str(error), until=error.until.isoformat())
        refusal["Retry-After"] = str(error.seconds)
        return refusal
    if isinstance(error, ValidationError):
        return _misunderstood(error)
    if isinstance(error, NotAllowed):
        return _refused(request, error)
    if isinstance(error, Http404):
        return problem(404, "not-found", "There is nothing at this address.")
    if isinstance(error, RequestDataTooBig):
        return problem(413, "too-large", "The body is larger than any request here needs. Nothing was changed.")
    for kind_of_error, status, kind in REFUSALS:
        if isinstance(error, kind_of_error):
            return problem(status, kind, str(error), **_more(error))
    if isinstance(error, OperationalError | InterfaceError):
        log.error("The database failed during %s %s: %s", request.method, request.path, error)
        return problem(503, "database", "The database does not answer. Nothing is known to have changed; ask again.")
    log.error("%s %s failed", request.method, request.path, exc_info=error)
    return problem(500, "broken", "Something failed that never should. The web process's log says what.")


def _more(error: Exception) -> dict[str, Any]:
    """What a program may want beside the sentence."""
    if isinstance(error, Blocked):
        return {"blockers": represent_blockers(error.blockers)}
    if isinstance(error, Reserved):
        return {"reservation": represent_reservation(error.reservation)}
    return {"lock": represent_lock(error.lock)} if isinstance(error, Locked) else {}


def _misunderstood(error: ValidationError) -> HttpResponse:
    errors = [{"where": list(map(str, item["loc"])), "what": str(item["msg"])} for item in error.errors]
    if all(item["loc"][0] == "path" for item in error.errors):
        return problem(404, "not-found", "There is nothing at this address.")
    told = "; ".join(f"{'.'.join(item['where'][1:]) or 'body'}: {item['what']}" for item in errors)
    return problem(400, "unacceptable", f"{told}. Nothing was changed.", errors=errors)


def _refused(request: HttpRequest, error: NotAllowed) -> HttpResponse:
    target = error.target
    events.record(
        "permission.refused",
        error.user.username if error.user else "",
        application=target.application.name if target else "",
        environment=target.environment.name if target else "",
        permission=error.permission,
        method=request.method or "",
        path=request.path[:500],
    )
    return problem(403, "not-allowed", str(error))
