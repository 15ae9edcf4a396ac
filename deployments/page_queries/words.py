"""States as people read them: a shape, a tone and a sentence. Pure; nothing here asks the database."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from deployments.states import DeployStatus, RunStatus

_D, _R = DeployStatus, RunStatus


@dataclass(frozen=True, slots=True)
class Mark:
    """A state: the symbol of the sprite, its tone (ok, bad, warn, idle), its words; moving ones turn."""

    shape: str
    tone: str
    words: str
    moving: bool = False

    @property
    def tone_class(self) -> str:
        """The class of the tone in our stylesheet."""
        return f"dp-{self.tone}"


_DEPLOYS: dict[str, Mark] = {
    _D.WAITING: Mark("d-waiting", "idle", "Waiting"),
    _D.RUNNING: Mark("d-running", "ok", "Running", moving=True),
    _D.CANCELLING: Mark("d-cancelling", "idle", "Cancelling"),
    _D.WATCHING: Mark("d-watching", "ok", "Watching its health"),
    _D.SUCCEEDED: Mark("d-succeeded", "ok", "Succeeded"),
    _D.PARTIAL: Mark("d-partial", "bad", "Partial"),
    _D.FAILED: Mark("d-failed", "bad", "Failed"),
    _D.CANCELLED: Mark("d-cancelled", "idle", "Cancelled"),
    _D.NEEDS_ATTENTION: Mark("d-attention", "warn", "Needs attention"),
}

PREPARED = Mark("d-waiting", "ok", "Prepared")  # a held deploy that could go live

_RUNS: dict[str, Mark] = {
    _R.PENDING: Mark("h-waiting", "idle", "waiting"),
    _R.PREPARING: Mark("h-preparing", "ok", "preparing"),
    _R.PREPARED: Mark("h-prepared", "ok", "prepared"),
    _R.SWITCHED: Mark("h-switching", "ok", "switched"),
    _R.LIVE: Mark("h-live", "ok", "live"),
    _R.FAILED: Mark("h-failed", "bad", "failed"),
    _R.UNREACHABLE: Mark("h-unknown", "bad", "unreachable"),
    _R.UNKNOWN: Mark("h-unknown", "warn", "unknown"),
    _R.CANCELLED: Mark("h-skipped", "idle", "cancelled"),
    _R.SKIPPED: Mark("h-skipped", "idle", "skipped"),
}

_TOLD: dict[str, str] = {
    _D.WAITING: "waits to deploy",
    _D.RUNNING: "deploys",
    _D.CANCELLING: "is stopping the deploy of",
    _D.WATCHING: "deployed and watches",
    _D.SUCCEEDED: "deployed",
    _D.PARTIAL: "partly deployed",
    _D.FAILED: "could not deploy",
    _D.CANCELLED: "did not finish deploying",
    _D.NEEDS_ATTENTION: "deployed, with an unclear end:",
}

_RAN: dict[str, str] = {
    _D.WAITING: "waits to run",
    _D.RUNNING: "runs",
    _D.CANCELLING: "is stopping",
    _D.FAILED: "could not run",
    _D.PARTIAL: "partly ran",
    _D.CANCELLED: "did not finish",
}

BROKEN = (_R.FAILED, _R.UNREACHABLE, _R.UNKNOWN)
ALARMS = (_D.PARTIAL, _D.FAILED, _D.NEEDS_ATTENTION)

_SMALL = ("No", "One", "Two", "Three", "Four", "Five", "Six", "Seven", "Eight", "Nine", "Ten", "Eleven", "Twelve")


def mark_of_deploy(status: str) -> Mark:
    """The mark of a deploy's status."""
    return _DEPLOYS[status]


def mark_of_run(status: str) -> Mark:
    """The mark of a host run's status."""
    return _RUNS[status]


def tell_deploy(status: str, *, task: str = "") -> str:
    """The verb between a person and an application: Ada `deployed` shop, Ada `ran restart on` shop."""
    return f"{_RAN.get(status, 'ran')} {task} on" if task else _TOLD[status]


def count_words(number: int, one: str, many: str) -> str:
    """`Two deploys`, `One deploy`, `14 deploys`."""
    figure = _SMALL[number] if number < len(_SMALL) else f"{number:,}"
    return f"{figure} {one if number == 1 else many}"


def join_parts(parts: Iterable[str]) -> str:
    """Parts of a sentence, the first with a capital: `6 of 12 hosts live, 1 failed`."""
    return ", ".join(part for part in parts if part)


def tell_counts(counts: Mapping[str, int], *, without: Iterable[str] = ()) -> str:
    """`4 prepared, 1 waiting` in the order of a run's life; without the named states and those that are empty."""
    return join_parts(
        f"{counts[status]} {mark.words}"
        for status, mark in _RUNS.items()
        if counts.get(status) and status not in without
    )


def tell_hosts(counts: Mapping[str, int], *, goal: str = "live") -> str:
    """Where a deploy's hosts are, in a sentence with numbers; the `goal` of a task is to be done."""
    total = sum(counts.values())
    live = counts.get(_R.LIVE, 0)
    if not total:
        return "No hosts yet."
    if live == total:
        return f"The only host is {goal}." if total == 1 else f"All {total} hosts are {goal}."
    head = f"{live} of {total} {'host' if total == 1 else 'hosts'} {goal}"
    return join_parts([head, tell_counts(counts, without=[_R.LIVE])]) + "."
