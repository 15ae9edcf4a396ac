"""What hosts really run: asked after each deploy and from time to time, and told where it differs."""

import logging
import secrets
from collections import defaultdict
from collections.abc import Callable, Collection, Container, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import timedelta

from django.db import connection, transaction
from django.db.models import Q
from django.utils import timezone

from deployments import blockers, host_questions, lifecycle, releases
from deployments.host_program import parse_mark
from deployments.host_values import Mark
from deployments.models import Deploy, Drift, HostRun, Kind, Placement, Standing, Trigger
from deployments.states import ACTIVE, RUN_FINAL, RunStatus
from environments import ssh
from environments.models import Host, Target
from notifications import events

logger = logging.getLogger(__name__)

LOOK_SECONDS = 5.0  # how often a worker asks whether a target is due
TARGETS_AT_ONCE = 50
THREADS = 32
ANSWER_SECONDS = 20.0
CATCH_UPS_MOST = 2  # a host that fails that often with a release is left to a person


@dataclass(frozen=True, slots=True)
class Seen:
    """What `current` is in one folder: a release's name, "" for nothing; `whole` is False for what cannot serve."""

    name: str
    whole: bool = True


def judge(seen: Seen, *, placed: str, intended: str) -> str:
    """The word for how a host differs from what is intended; "" if it does not. `placed` is what we put there last."""
    if not seen.whole:
        return Drift.BROKEN
    if seen.name == intended:
        return ""
    if not seen.name:
        return Drift.NOTHING
    return Drift.BEHIND if seen.name == placed else Drift.OUTSIDE


def look_around(mine: Callable[[Target], bool] = lambda target: True) -> None:
    """Look at the targets that are due, and let hosts catch up where the target wants that. Called again and again.

    `mine` says which targets are for this worker.
    """
    targets = [target for target in _due() if mine(target) and _claim(target)]
    if not targets:
        return
    found = look(targets)
    _expect_answers(targets, found)
    take_note(targets, found)


def _expect_answers(targets: Sequence[Target], found: dict[int, dict[int, "Seen"]]) -> None:
    """A place for each host that did not answer, also where nothing was ever deployed: it is asked again soon."""
    silent = [
        Placement(host_id=member.host_id, target=target, colour="")
        for target in targets
        for member in blockers.members(target, aside=True)
        if member.host_id not in found[target.pk]
    ]
    Placement.objects.bulk_create(silent, ignore_conflicts=True)


def take_note(targets: Sequence[Target], found: dict[int, dict[int, "Seen"]]) -> None:
    """Store what was seen, and let hosts catch up where the target wants that."""
    for target in targets:
        write(target, found[target.pk])
        if target.catch_up:
            _catch_up(target)


def look_at(target: Target) -> int:
    """Look at the hosts of one target now; how many answered."""
    found = look([target])[target.pk]
    write(target, found)
    return len(found)


def _due() -> list[Target]:
    now = timezone.now()
    targets = Target.objects.filter(drift_minutes__gt=0, left_at=None, runner=None, standing__live__isnull=False)
    busy = Deploy.objects.filter(status__in=ACTIVE).values("target")
    looked = targets.exclude(pk__in=busy).order_by("pk").values_list("pk", "drift_minutes", "standing__looked_at")
    due = [pk for pk, minutes, at in looked if at is None or at <= now - timedelta(minutes=minutes)][:TARGETS_AT_ONCE]
    if not due:  # as mostly, and every worker asks every few seconds
        return []
    return list(
        Target.objects.filter(pk__in=due).select_related("standing__live__release", "application", "environment")
    )


def _claim(target: Target) -> bool:
    """One worker looks at a target, whoever's UPDATE was first."""
    standing = Standing.objects.filter(pk=target.standing.pk, looked_at=target.standing.looked_at)
    return standing.update(looked_at=timezone.now()) == 1


def look(targets: Sequence[Target], only: Container[int] | None = None) -> dict[int, dict[int, Seen]]:
    """By target and host, all or `only` these; who does not answer is left out.

    One program per host and user, however many targets.
    """
    errands: dict[tuple[int, str, tuple[str, ...]], list[Target]] = defaultdict(list)
    hosts: dict[int, Host] = {}
    for target in targets:
        # all that connecting asks for: else each host's thread would ask by itself
        ways = blockers.members(target, aside=True).select_related("host__zone__region__gateway")
        for member in ways.prefetch_related("host__keys", "host__zone__region__gateway__keys"):
            if only is not None and member.host_id not in only:
                continue
            hosts[member.host_id] = member.host
            errands[member.host_id, target.user, tuple(target.path_prepend)].append(target)
    found: dict[int, dict[int, Seen]] = {target.pk: {} for target in targets}
    with ThreadPoolExecutor(min(THREADS, max(1, len(errands))), thread_name_prefix="look") as pool:
        asked = {key: pool.submit(_ask, hosts[key[0]], key[1], key[2], there) for key, there in errands.items()}
    heard = set()
    for (host_id, _, _), answer in asked.items():
        for target_id, seen in answer.result().items():
            found[target_id][host_id] = seen
            heard.add(host_id)
    _note_hosts(hosts, heard)
    return found


def _note_hosts(asked: Collection[int], heard: Collection[int]) -> None:
    """When each host was last asked, and last answered: what pages show of a thousand hosts, without their targets."""
    now = timezone.now()
    Host.objects.filter(pk__among=frozenset(asked)).update(asked_at=now)
    Host.objects.filter(pk__among=frozenset(heard)).update(heard_at=now)


def _ask(host: Host, user: str, path_prepend: tuple[str, ...], targets: Sequence[Target]) -> dict[int, Seen]:
    nonce = secrets.token_hex(8)
    command = host_questions.look_command([target.root for target in targets], path_prepend, nonce=nonce)
    try:
        with ssh.program(host, user, command) as channel:
            marks = _marks(host, channel, nonce)
    except ssh.SSHError as error:
        logger.info("Not looked at: %s", error)
        return {}
    finally:
        connection.close()
    found = {}
    for mark in marks:
        number, word, name = mark.args.split(" ", 2)
        found[targets[int(number) - 1].pk] = Seen("" if name == "-" else name, word == "serves")
    return found


def _marks(host: Host, channel: ssh.Channel, nonce: str) -> list[Mark]:
    """All that a host says up to `looked`. Raises HostUnreachable."""
    buffer, marks = b"", list[Mark]()
    while True:
        data = channel.receive(ANSWER_SECONDS)
        if not data:
            raise ssh.HostUnreachable(host.name, f"{host.name} did not say what it runs.")
        *lines, buffer = (buffer + data).split(b"\n")
        for line in lines:
            mark = parse_mark(line + b"\n", nonce)
            if mark is not None and mark.word == "looked":
                return marks
            if mark is not None:
                marks.append(mark)


def write(target: Target, found: dict[int, Seen]) -> None:
    """Store what was seen, unless a deploy has changed it meanwhile; a difference that is new is an event."""
    standing = Standing.objects.select_related("live__release").filter(target=target).first()
    if standing is None or standing.live is None or standing.live.release is None or not found:
        return
    intended = standing.live.release.name
    Placement.objects.bulk_create(
        [Placement(host_id=host_id, target=target, colour="") for host_id in found], ignore_conflicts=True
    )
    rows = Placement.objects.filter(target=target, colour="", host__in=found).select_related("current", "host")
    same: list[int] = []
    for row in rows:
        seen = found[row.host_id]
        drift = judge(seen, placed=row.current.name if row.current else "", intended=intended)
        if (row.seen, row.drift) == (seen.name, drift):
            same.append(row.pk)
        else:
            _write_change(target, row, seen, drift, intended)
    Placement.objects.filter(pk__in=same).update(seen_at=timezone.now())


def _write_change(target: Target, row: Placement, seen: Seen, drift: str, intended: str) -> None:
    with transaction.atomic():
        Target.objects.select_for_update().only("pk").get(pk=target.pk)
        if Deploy.objects.filter(target=target, status__in=ACTIVE).exists():
            return  # it changes hosts right now; its end is looked at
        same = Placement.objects.filter(pk=row.pk, current=row.current, switched_at=row.switched_at)
        if not same.update(seen=seen.name[:255], seen_at=timezone.now(), drift=drift) or row.drift == drift:
            return
        events.record(
            "host.drifted" if drift else "host.converged",
            application=target.application.name,
            environment=target.environment.name,
            host=row.host.name,
            drift=drift,
            seen=seen.name,
            intended=intended,
        )


def _catch_up(target: Target) -> None:
    """Hosts that are new, or were away while others were deployed to; never one that was switched from outside."""
    standing = Standing.objects.select_related("live").get(target=target)
    if standing.live is None or standing.live.plan.get("only"):
        return  # a person chose which hosts have it, and says when the others get it
    release = standing.live.release_id
    if release is None:
        return
    late = releases.differing(target).exclude(drift=Drift.OUTSIDE).filter(Q(current=None) | Q(current__lt=release))
    hosts = [name for name in late.values_list("host__name", flat=True) if not _given_up(target, name, release)]
    if not hosts:
        return
    try:
        lifecycle.converge(target, hosts=hosts, by=None, trigger=Trigger.SYSTEM, automatic=True)
    except (lifecycle.LifecycleError, blockers.Blocked) as refusal:
        logger.info("%s does not catch up now: %s", target.slug, refusal)


def _given_up(target: Target, host: str, release: int) -> bool:
    """It has failed too often with what is live to be tried again by itself."""
    tried = HostRun.objects.filter(
        deploy__target=target,
        deploy__kind=Kind.CONVERGE,
        deploy__automatic=True,
        deploy__release=release,
        host_name=host,
        status__in=RUN_FINAL,
    )
    return tried.exclude(status=RunStatus.LIVE).count() >= CATCH_UPS_MOST
