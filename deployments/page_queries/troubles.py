"""What went wrong on hosts: what happened, what it means, what to do; told once for all hosts alike. Pure."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from deployments.models import Deploy, HostRun
from deployments.page_queries.words import BROKEN
from deployments.states import RunStatus

_R = RunStatus

# The sentence with which the engine ends an error: what is true of the host now.
_LEFT = re.compile(
    r"(?P<left>The new release [0-9a-f]+ is current there\.|What it served before is still current\.)\s*$"
)

_TO_DO = {
    "step": "Read the last lines of the step below, mend the cause, then retry the failed hosts.",
    "timeout": "See in the log where the step stood still, or give it a longer limit in Settings, then retry.",
    "silence": "See in the log where the step fell silent, or give it a longer silence limit in Settings, then retry.",
    "disk": "Make room on the host, then retry the failed hosts.",
    "archive": "Retry; if it happens again, look at the repository and at the disk of the Deployer.",
    "manifest": "Files changed while they were laid out: look at the disk and at other programs there, then retry.",
    "fetch": "Check that the host reaches the repository with the key or token of the application, then retry.",
    "link": "Put what is missing into the host's shared folder, then retry the failed hosts.",
    "release": "Deploy the revision again, so that it is laid out anew.",
    "fence": "A newer deploy has taken over this folder. Look at that one; here is nothing to do.",
    "lock": "See on the host which program holds the lock, then retry.",
    "sudo": "Allow the command in the host's sudoers without a password, or take sudo off the step, then retry.",
    "host-key-unknown": "Compare the host's fingerprint and accept its key by `manage.py hostkey scan`, then retry.",
    "host-key-changed": "Find out why the key changed before anything else. Only then accept the new one and retry.",
    "host-certificate": "Have the host's key signed for its address or name, or compare and accept it, then retry.",
    "only-observed": "Let deploys go to the host, on its page, then retry.",
    "key-refused": "Add the Deployer's public key to the host's authorized_keys, then retry.",
    "no-key-pair": "Make a key pair for the Deployer by `manage.py key create`, then retry.",
    "unreachable": "Check the machine, its network and its SSH server, then retry the failed hosts.",
    "vanished": "If the machine is gone for good, nothing is to be done; if not, mend its source, then deploy again.",
    "host-gone": "If the machine still runs, add it again, then deploy again.",
    "unknown": "Look on the host what is running, then deploy again; that is safe whatever happened there.",
}
_ELSE_TO_DO = "Read the last lines of this host in the log, mend the cause, then retry the failed hosts."

_BEFORE = "This host was not switched: it serves what it served before."
_AFTER = "This host is switched to the new release, which has not shown that it is well."
_MEANING = {
    _R.UNREACHABLE: "Nothing more could be sent to it; what ran there goes on running.",
    _R.UNKNOWN: "It may run either release. The Deployer does not guess.",
}


_VANISHED = "Once it has left, nothing new goes to it. If it still serves, it may be either release."


@dataclass(slots=True)
class Trouble:
    """One failure, and the hosts that it struck."""

    title: str
    hosts: list[str]
    happened: str
    means: str
    todo: str


def build_troubles(deploy: Deploy, runs: Sequence[HostRun]) -> list[Trouble]:
    """One card per failure, not per host, in the order of the hosts."""
    groups: dict[tuple[str, str, str], list[HostRun]] = {}
    for run in runs:
        if run.status in BROKEN:
            groups.setdefault((run.status, run.error_kind, _tell_happened(run)), []).append(run)
    return [_build(deploy, members) for members in groups.values()]


def _tell_happened(run: HostRun) -> str:
    """The error without the host's name before it and without what is left after it."""
    text = _LEFT.sub("", run.error).strip().removeprefix(f"{run.host_name}:").strip()
    return text[:1].upper() + text[1:] if text else "It ended without a word."


def _build(deploy: Deploy, members: Sequence[HostRun]) -> Trouble:
    run = members[0]
    where = run.host_name if len(members) == 1 else f"{len(members)} hosts"
    if run.status == _R.UNREACHABLE:
        title = f"No answer from {where}"
    elif run.error_kind == "vanished":
        title = f"{where} vanished in the middle of the deploy"
    elif run.status == _R.UNKNOWN:
        title = f"Nobody knows what happened on {where}"
    else:
        title = f"Failed at {run.step or 'its start'} on {where}"
    switched = run.revision == deploy.revision
    left = _LEFT.search(run.error)
    means = (
        _VANISHED if run.error_kind == "vanished" else _MEANING.get(_R(run.status)) or (_AFTER if switched else _BEFORE)
    )
    if left and run.status in _MEANING:
        means = f"{left['left']} {means}"
    todo = _TO_DO.get(run.error_kind, _ELSE_TO_DO)
    return Trouble(title, [member.host_name for member in members], _tell_happened(run), means, todo)
