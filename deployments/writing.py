"""The host that a deploy's program is sent to: the last look, just before anything is, at whether that may be."""

from deployments.failures import ProgramFailed
from deployments.models import HostRun
from environments import observing
from environments.models import Host


def host_to_write(run: HostRun) -> Host:
    """Raises ProgramFailed: it is known no more, or only looked at."""
    if run.host is None:
        raise ProgramFailed("host-gone", f"{run.host_name} has been removed from the Deployer.")
    if run.host.observed:
        raise ProgramFailed("only-observed", observing.tell([run.host]))
    return run.host
