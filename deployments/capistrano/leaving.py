"""Leaving a target's hosts to Capistrano (or whatever comes next), and taking them up again."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django.db import transaction
from django.db.models import F, Q
from django.utils import timezone

from deployments import host_program
from deployments.blockers import members
from deployments.capistrano.asking import ask_all
from deployments.capistrano.refusals import StillAtWork
from deployments.capistrano.roots import place_of
from deployments.host_values import Mark
from deployments.models import Deploy, HeldRelease, Placement, Standing
from deployments.states import ACTIVE, DeployStatus
from environments import access
from environments.models import Host, Target, User
from notifications import events


@dataclass(frozen=True)
class Left:
    """How it went on one host: sentences about what was done there; `failed` says why it was not left."""

    host: str
    done: tuple[str, ...] = ()
    failed: str = ""


def leave(target: Target, *, by: User | None, actor: str) -> list[Left]:
    """Remove what we keep on the target's hosts, so that `cap deploy` works there as before.

    From then on the target cannot be deployed; its history stays. Once more finishes what failed.
    Raises StillAtWork, NotAllowed.
    """
    access.require(by, access.ADMINISTER, target)
    fence = _close(target)
    place = place_of(target)

    def command(nonce: str) -> str:
        return host_program.leave_command(place, fence=fence, nonce=nonce)

    answers = ask_all(hosts_of(target), target.user, command, last={"left", "refused"})
    results = [_read(name, answer, target) for name, answer in sorted(answers.items())]
    _write(target, actor, results)
    return results


def take_up(target: Target, *, by: User | None, actor: str) -> bool:
    """The target may be deployed again; whether it had been left. Its hosts begin anew, with no releases of ours."""
    access.require(by, access.ADMINISTER, target)
    with transaction.atomic():
        if not Target.objects.filter(pk=target.pk, left_at__isnull=False).update(left_at=None):
            return False
        target.left_at = None
        _record("target.taken_up", target, actor)
    return True


def hosts_of(target: Target) -> list[Host]:
    """Those that it deploys to, and those on which it was deployed before."""
    now = members(target, aside=True).values("host")
    found = Host.objects.filter(Q(pk__in=now) | Q(placements__target=target), observed=False)
    return list(found.distinct().order_by("name"))


def _close(target: Target) -> int:
    """No deploy begins any more, nor do programs of earlier claims go on. The claim for leaving."""
    with transaction.atomic():
        row = Target.objects.select_for_update().get(pk=target.pk)
        open_deploys = Deploy.objects.filter(target=target, status__in=(DeployStatus.WAITING, *ACTIVE))
        if open_deploys.exists():
            names = ", ".join(f"#{deploy.number} ({deploy.status})" for deploy in open_deploys.order_by("number"))
            raise StillAtWork(f"{target.slug} is not left: {names} is not over. Wait for its end, or cancel it.")
        target.left_at = row.left_at or timezone.now()
        Target.objects.filter(pk=target.pk).update(left_at=target.left_at, fence=F("fence") + 1)
        return Target.objects.values_list("fence", flat=True).get(pk=target.pk)


def _read(name: str, answer: list[Mark] | str, target: Target) -> Left:
    if isinstance(answer, str):
        return Left(name, failed=answer)
    end = answer[-1]
    done = tuple(text for mark in answer if (text := _tell(mark, target.root)))
    if end.word == "left":
        return Left(name, done)
    return Left(name, done, failed=_refusal(name, end))


def _tell(mark: Mark, root: str) -> str:
    first, _, second = mark.args.partition(" ")
    texts = {
        "renamed": f"release {first} is now {second}",
        "removed": f"release {first} had never served well and was removed",
        "kept": f"release {first} keeps its name, since programs run from it. Capistrano warns of it at each clean-up. "
        f"When it serves no more: rm -r {root}/releases/{first}",
        "mirror": f"our mirror {root}/repo was removed" if first == "removed" else f"our refs in {root}/repo are gone",
        "rest": f"{mark.args} could not be removed; remove it by hand",
        "left": f"{first} serves",
    }
    return "" if mark.word == "left" and first == "-" else texts.get(mark.word, "")


def _refusal(name: str, mark: Mark) -> str:
    kind, _, text = mark.args.partition(" ")
    if kind == "target":
        return f"{name}: this folder belongs to {text}, so it was not touched."
    if kind == "fence":
        return f"{name}: it has seen a newer claim ({text}) than was ever given out here. Is this a restored database?"
    return f"{name}: {text}. Nothing more was done there; leave once more when that is over."


def _write(target: Target, actor: str, results: Sequence[Left]) -> None:
    gone = [result.host for result in results if not result.failed]
    with transaction.atomic():
        places = Placement.objects.filter(target=target, host__name__in=gone)
        HeldRelease.objects.filter(placement__in=places).delete()
        places.update(current=None, switched_at=None, seen="", seen_at=None, drift="")
        if len(gone) == len(results):
            Standing.objects.filter(target=target).update(live=None)
        failed = {result.host: result.failed for result in results if result.failed}
        _record("target.left", target, actor, hosts=gone, failed=failed)


def _record(kind: str, target: Target, actor: str, **facts: Any) -> None:
    events.record(
        kind,
        actor,
        application=target.application.name,
        environment=target.environment.name,
        target=target.slug,
        **facts,
    )
