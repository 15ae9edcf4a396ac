"""What becomes of a host run when something goes wrong on its host."""

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from django.db import DatabaseError

from deployments import host_values, runs
from deployments.claims import ClaimLost
from deployments.failures import Fenced, ProgramFailed, Stopped, SwitchUnknown
from deployments.models import HostRun, Placement
from deployments.states import RunStatus
from deployments.switching import at_once
from environments import repositories, ssh
from environments.sources import vanished

logger = logging.getLogger(__name__)
R = RunStatus


@contextmanager
def told(run: HostRun, ask: Callable[[Callable[[], None]], None] = at_once) -> Iterator[None]:
    """Whatever can go wrong on a host becomes the final state of its host run; `ask` carries out what writes it."""
    try:
        yield
    except ClaimLost as lost:
        logger.info("%s", lost)
    except DatabaseError:
        raise
    except Exception as error:  # noqa: BLE001 - see write_our_mistake
        wrong = error
        ask(lambda: _write_end(run, wrong))


def _write_end(run: HostRun, error: Exception) -> None:
    match error:
        case Stopped():
            write_end(run, R.CANCELLED, "cancelled", what_is_left(run))
        case Fenced():
            _fenced(run, error)
        case ssh.HostUnreachable():
            _unreachable(run, error)
        case ssh.SSHError():
            write_end(run, R.FAILED, error.kind, str(error))
        case repositories.RepositoryError() | host_values.HostProgramError():
            write_end(run, R.FAILED, "recipe", f"{error} {what_is_left(run)}")
        case SwitchUnknown():
            write_end(run, R.UNKNOWN, error.kind, f"{error} Compare what runs there, then deploy again.")
        case ProgramFailed():
            to = R.UNKNOWN if error.kind in ("unknown", "host-gone") else R.FAILED
            write_end(run, to, error.kind, f"{run.host_name}: {str(error).rstrip('.')}. {what_is_left(run)}")
        case _:
            write_our_mistake(run, error)


def _unreachable(run: HostRun, error: ssh.HostUnreachable) -> None:
    """One that has gone from its source in the middle of the deploy is not waited for, and not left out silently."""
    gone = vanished.tell(run.host_id, run.deploy.target.environment)
    if not gone:
        write_end(run, R.UNREACHABLE, error.kind, f"{error} {what_is_left(run)}")
        return
    told = f"{error} It vanished in the middle of this deploy: {gone}. Nobody knows whether it still serves, or what."
    write_end(run, R.UNKNOWN, "vanished", told)


def write_our_mistake(run: HostRun, error: Exception) -> None:
    """It must end the host run: left as it is, every sweep would make the mistake again."""
    logger.error("Deploy %s went wrong on %s.", run.deploy_id, run.host_name, exc_info=error)
    write_end(run, R.FAILED, "internal", f"The Deployer made a mistake ({type(error).__name__}); its log tells more.")


def write_end(run: HostRun, to: RunStatus, kind: str, text: str) -> None:
    try:
        runs.move(run, to, error_kind=kind, error=text)
    except ClaimLost as lost:
        logger.info("%s", lost)


def _fenced(run: HostRun, fenced: Fenced) -> None:
    """A newer claim of ours means that this worker is stale; one that we do not know of means a restored database."""
    target = run.deploy.target
    target.refresh_from_db(fields=["fence"])
    if fenced.seen <= target.fence:
        logger.info("%s refused this worker's claim: a newer one has begun there.", run.host_name)
        return
    write_end(
        run,
        R.UNKNOWN,
        "fence",
        f"{run.host_name} has seen fence {fenced.seen}, but this installation has only given out {target.fence}. "
        "The database is older than the host, as after a restored backup, so nothing was done. "
        f"Look at what runs there; `manage.py fence {target.slug} --to {fenced.seen}` lets the next deploy go there.",
    )


def what_is_left(run: HostRun) -> str:
    """What is true of the host now, in a sentence."""
    there = Placement.objects.filter(host=run.host_id, target=run.deploy.target_id, current=run.deploy.release_id)
    # a release that is current without a switch served before, as after a way back to what serves
    if run.status in (R.SWITCHED, R.LIVE) and there.exists():
        return f"The new release {run.deploy.revision[:7]} is current there."
    return "What it served before is still current."
