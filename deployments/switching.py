"""Arm every host of a wave, then flip them all with one word: seconds of preparation, milliseconds of difference."""

import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait

from django.db import transaction
from django.db.models import QuerySet

from deployments import log, plan, recipes, runs
from deployments.arming import THREADS_MOST, Armed, Arming, arm_host, next_mark, refusal, spread
from deployments.claims import ClaimLost
from deployments.failures import Fenced, ProgramFailed, SwitchUnknown
from deployments.models import Deploy, HostRun, Program, ProgramPhase
from deployments.moves import switched_all
from deployments.states import SWITCHING, DeployStatus, RunStatus
from environments import ssh

ANSWER_SECONDS = 10.0
ASK_SECONDS = 20.0


def switch(deploy: Deploy, taken: Sequence[HostRun], stop: threading.Event) -> list[Armed]:
    """Switch all of `taken` together. Each item of the answer tells how its host ended.

    Nothing is written to the database here but through `runs`; raises nothing for single hosts.
    """
    items = [Armed(run, together=len(taken)) for run in taken]
    # threads of its own: an armed host must not wait for its turn behind another deploy's long steps
    pool = ThreadPoolExecutor(min(len(items), THREADS_MOST), thread_name_prefix="switch")
    try:
        with Arming() as arming:
            arming.arm(items, pool)
            ready = [item for item in items if item.channel is not None and item.failure is None]
            may = _may_flip(deploy, items, ready) and not stop.is_set()
            if may and runs.begin_switch([(item.run, _served_before(item)) for item in ready]):
                for item in ready:
                    _tell(item)
                _wait_for(spread(ready, _hear, pool))
                _wait_for(spread([item for item in ready if not item.switched and not item.failure], _ask, pool))
    finally:
        pool.shutdown(wait=False)  # a host that hangs keeps its thread a while, and nobody waits for it
    for item in items:
        if _may_have_switched(item):
            item.failure = _cannot_be_asked(item)
    return items


def at_once(act: Callable[[], None]) -> None:
    """Carry it out here and now."""
    act()


def _may_have_switched(item: Armed) -> bool:
    """An earlier claim may have given the word, and died before a row said so; now the host could not be armed."""
    if item.failure is None or item.live or isinstance(item.failure, Fenced) or item.run.step != SWITCHING:
        return False
    return not (isinstance(item.failure, ProgramFailed) and item.failure.kind == "release")


def _cannot_be_asked(item: Armed) -> SwitchUnknown:
    return SwitchUnknown(f"Nobody could ask {item.run.host_name} which release serves there: {item.failure}")


def settle(run: HostRun, ask: Callable[[Callable[[], None]], None] = at_once) -> None:
    """Learn whether a switch that nobody has recorded took place; after this, no earlier claim can switch the host.

    Arms it by this claim and gives no word; `ask` carries out what writes it. Raises SwitchUnknown, Fenced, ClaimLost.
    """
    item = Armed(run)
    with Arming() as arming:
        arm_host(item, arming)
    if isinstance(item.failure, Fenced):
        raise item.failure
    if item.failure is not None:
        raise _cannot_be_asked(item)
    name = recipes.release(run.deploy).name
    # a way back to what serves already has switched nothing, whoever was about to say the word
    if item.live == name and run.previous != name:
        ask(lambda: runs.switched(run, item.previous))


def _wait_for(futures: "Sequence[Future[None]]") -> None:
    wait(futures)
    for future in futures:
        future.result()


def lacks_release(item: Armed) -> bool:
    """The host lacks what it was thought to hold: nobody of the wave switches before it has been prepared."""
    failure = item.failure
    thought = isinstance(failure, ProgramFailed) and failure.kind == "release"
    return thought and not Program.objects.filter(run=item.run, phase=ProgramPhase.PREPARE).exists()


def _may_flip(deploy: Deploy, items: list[Armed], ready: list[Armed]) -> bool:
    """All claims still hold, nobody has cancelled, and enough are armed; asked right before the word."""
    if not Deploy.objects.filter(pk=deploy.pk, status=DeployStatus.RUNNING).exists():
        return False
    if any(isinstance(item.failure, Fenced) or lacks_release(item) for item in items):
        return False
    if runs.without_claim([item.run for item in items]):
        return False
    if not ready or len(ready) == len(items):
        return bool(ready)  # the plan has asked whether enough are prepared
    wave = HostRun.objects.filter(deploy=deploy, wave=items[0].run.wave)
    name = recipes.release(deploy).name
    # by rows, or by what a worker has left that died before it wrote them
    through = wave.filter(status__in=("switched", "live")).exists() or any(
        item.live == name and item.run.step == SWITCHING for item in ready
    )
    return through or not _lacks_hosts(deploy, wave, items, ready)


def _lacks_hosts(deploy: Deploy, wave: QuerySet[HostRun], items: list[Armed], ready: list[Armed]) -> bool:
    """The plan's own question, asked again without those that could not be armed.

    Where regions have queues, other processes arm other hosts of the wave, which count as they are.
    """
    unarmed = {item.run.pk for item in items} - {item.run.pk for item in ready}
    rows = [
        plan.Run(pk, 0, RunStatus.UNREACHABLE if pk in unarmed else status, True, region, host)
        for pk, status, region, host in wave.values_list("pk", "status", "region", "host_name")
    ]
    return bool(plan.lacking(plan.Picture(deploy.status, rows, **recipes.thresholds(deploy)), rows))


def _served_before(item: Armed) -> str:
    """What the word would put this deploy's release in the place of; after an earlier word, what served before it."""
    if item.run.step == SWITCHING:
        return item.run.previous
    return "" if item.live == "-" else item.live


def _tell(item: Armed) -> None:
    assert item.channel is not None
    item.told = True
    try:
        item.channel.send(b"flip\n")
    except ssh.HostUnreachable:
        return  # nobody knows whether the word arrived: the host is asked


def _hear(item: Armed) -> None:
    assert item.channel is not None
    try:
        mark = next_mark(item, item.channel, ANSWER_SECONDS)
    except (ssh.HostUnreachable, ProgramFailed):
        return
    if mark.word == "switched":
        item.switched, item.switched_at = True, time.monotonic()
    else:
        item.failure = refusal(item.run, mark)


def _ask(item: Armed) -> None:
    """The link died after the word was sent. Unknown is not failed: ask what `current` is.

    By arming it again, which waits for the end of the first try: a mere look could come before the word has arrived.
    """
    run = item.run
    give_up = time.monotonic() + ASK_SECONDS
    while time.monotonic() < give_up:
        again = Armed(run)
        with Arming() as arming:
            arm_host(again, arming)
        if again.live == recipes.release(run.deploy).name:
            item.switched = True
        elif again.live:
            item.failure = ProgramFailed("link", f"The link to {run.host_name} died before it switched")
        elif isinstance(again.failure, Fenced):
            item.failure = again.failure
        else:
            time.sleep(1)
            continue
        return
    item.failure = SwitchUnknown(
        f"The link to {run.host_name} died while it switched, and it cannot be asked which release serves there.",
    )


def record(deploy: Deploy, items: Sequence[Armed]) -> None:
    """Write what happened on each host, in one transaction. Raises ClaimLost."""
    through = [item for item in items if item.switched]
    times = [item.switched_at for item in through if item.switched_at]
    with transaction.atomic():
        if times:
            within = (max(times) - min(times)) * 1000
            log.say(deploy, f"{len(through)} of {len(items)} hosts switched, within {within:.0f} ms.")
        if switched_all([(item.run, item.previous) for item in through]):
            raise ClaimLost(f"A host of deploy {deploy.pk} was taken by another worker while it switched.")
