"""What stands in the way of a deploy, with names: the same list for the page's button, the API and the verb."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from django.db.models import QuerySet
from django.urls import reverse
from django.utils import timezone

from deployments import approvals, archives, artifacts, build_presence, claims, own_disk, turns
from deployments.blocker import Blocked, Blocker
from deployments.closed_times import NEVER_WAIT, closed
from deployments.expectations import expected_end
from deployments.models import Deploy, Kind, bulk
from deployments.states import ACTIVE
from environments import locks, observing
from environments.models import Application, Endpoint, Host, Lock, LockKind, Membership, Target, Transport, User

__all__ = ["Blocked", "Blocker"]  # and all that is defined here

LEFT_OUT_TOLD = 5

NO_WORKER = Blocker("workers", "No worker runs that could start it. Start one; what waits goes on by itself.")

# Of the deploy that runs, what a blocker tells.
TOLD = ("number", "status", "held", "prepared_at", "by_name")


@dataclass(frozen=True)
class Known:
    """What whoever asks has read already: the held locks that apply, the deploy under way, whether there are hosts, and
    which deploys wait for their turn, by number and with who asked for them.
    """

    standing: Sequence[Lock]
    active: Deploy | None
    hosts: bool
    waiting: Sequence[Deploy]


def members(target: Target, *, aside: bool = False) -> QuerySet[Membership]:
    """The hosts that a target deploys to; with `aside` also those that take no part for now.

    Never one that is only observed: nothing is written there.
    """
    found = (
        Membership.objects.filter(environment=target.environment, host__transport=Transport.SSH, host__observed=False)
        .select_related("host__zone__region")
        .order_by("host__name")
    )
    if not aside:
        found = found.filter(host__aside="")
    if target.runner_id:
        return found.filter(host=target.runner_id)
    if target.role or target.labels:
        # a JSON list has no portable "contains" on SQLite, and the lists are short
        wanted = [member.pk for member in found if _is_chosen(target, member)]
        found = found.filter(pk__in=wanted)
    return found


def _is_chosen(target: Target, member: Membership) -> bool:
    """By its role and its labels in the environment."""
    if target.role and target.role not in member.roles:
        return False
    pairs = (label.partition("=") for label in target.labels)
    return all(member.labels.get(name) == value for name, _, value in pairs)


def left_out(target: Target) -> list[Host]:
    """Hosts of the target that no deploy goes to now, because someone has set them aside."""
    return [member.host for member in members(target, aside=True).exclude(host__aside="")]


def active_deploy(target: Target, only: Sequence[str] = ()) -> Deploy | None:
    """With all but what may be large in its row, or with these fields only."""
    rows = Deploy.objects.filter(target=target, status__in=ACTIVE)
    rows = rows.only(*only) if only else rows.defer("plan", "recipe")
    # a constraint allows one; the order that first() would add costs as much as the rest of the query
    return next(iter(rows.order_by()[:1]), None)


def listed(found: QuerySet[Membership]) -> list[Membership]:
    """Such members with their hosts: thousands, of which Django's own way would make four instances each."""
    rows = bulk.read(found.select_related(None), without=("labels", "source"))
    hosts = {host.id: host for host in bulk.read(Host.objects.filter(pk__among={row.host_id for row in rows}))}
    there = [row for row in rows if row.host_id in hosts]  # one may have gone in between
    for row in there:
        row._state.fields_cache["host"] = hosts[row.host_id]
    return there


def blockers(
    target: Target,
    *,
    besides: Deploy | None = None,
    kind: str = Kind.DEPLOY,
    by: User | None = None,
    automatic: bool = False,
    in_turn: bool = False,
    known: Known | None = None,
) -> list[Blocker]:
    """All that keeps `target` from a deploy of this kind now; empty: nothing does.

    `besides` does not stand in its own way. Locks stand in the way of who does not hold them: of `by`, and of every
    machine (`automatic`, or nobody). `in_turn`: it stands in the queue itself, which has an order of its own.
    """
    found: list[Blocker] = []
    if not (known.hosts if known else members(target).exists()) and not _is_taken_away(target, kind):
        found.append(no_hosts(target))
    if target.left_at is not None:
        found.append(left(target))
    if target.name:
        found += of_endpoint(target, kind)
    held = known.standing if known else locks.applying(target)
    found += [locked(lock) for lock in locks.in_the_way(held, by=by, automatic=automatic)]
    # a rollback waits for neither, and goes before all but rollbacks
    shut = [] if kind == Kind.ROLLBACK else closed(target)
    found += [] if kind in NEVER_WAIT else shut
    active = known.active if known else active_deploy(target, only=TOLD)
    if active and active != besides:
        found.append(running(active))
    if not active and not besides and not in_turn:
        found += _who_waits(target, kind, held, known, shut=bool(shut))
    # what has begun goes on, and the way back is never barred
    full = "" if besides or kind == Kind.ROLLBACK else own_disk.why_full()
    if full:
        found.append(Blocker("disk", full))
    return found


def tell_left_out(hosts: Sequence[Host]) -> str:
    """`web-3 (drained by Ada Nwosu: new disk)`, a few of them by name."""
    told = [f"{host.name} ({host.aside} by {host.aside_by}: {host.aside_why})" for host in hosts[:LEFT_OUT_TOLD]]
    more = len(hosts) - len(told)
    return ", ".join(told) + (f" and {more} more" if more else "")


def must_be_asked(target: Target, revision: str) -> bool:
    """Whether a server of builds has to be asked what keeps this revision from being laid out."""
    application = target.application
    return application.distribution == Application.Distribution.ARTIFACT and not archives.is_made(application, revision)


def of_revision(target: Target, revision: str, *, patient: bool = False, seconds: float | None = None) -> list[Blocker]:
    """What keeps this revision from being laid out anywhere: a build that is not there. Asks over the network.

    `patient`: a bad answer of the last moments will do. It takes no longer than `seconds`.
    """
    if not must_be_asked(target, revision):
        return []
    try:
        build_presence.look(target.application, revision, patient=patient, seconds=seconds)
    except artifacts.ArtifactError as error:
        return [Blocker("artifact", str(error), passes=not isinstance(error, artifacts.ArtifactRefused))]
    return []


def of_deploy(deploy: Deploy, *, besides: Deploy | None = None) -> list[Blocker]:
    """What keeps this deploy from starting in its turn, or from going on, for whom it was asked for."""
    by, machine = deploy.asker
    found = blockers(deploy.target, besides=besides, kind=deploy.kind, by=by, automatic=machine, in_turn=True)
    # a person was asked when it was requested, and is not there to be asked again
    seen = deploy.confirmed or not machine
    found = [it for it in found if not (it.yields and deploy.over_locks) and not (seen and it.kind == "warning")]
    return found if besides else found + approvals.of_deploy(deploy)


def of_waiting(deploy: Deploy) -> list[Blocker]:
    """All that a waiting deploy waits for and until when, as far as can be told without asking anybody."""
    found = [_with_end(deploy.target, it) for it in of_deploy(deploy)]
    if deploy.met_lock is not None:
        found = [met(deploy.met_lock), *(it for it in found if it.lock is None)]
    if deploy.kind == Kind.DEPLOY and must_be_asked(deploy.target, deploy.revision):
        address = artifacts.address_of(deploy.target.application, deploy.revision)
        found.append(_awaited(deploy, address))
    return found if claims.live_workers().exists() else [*found, NO_WORKER]


def _with_end(target: Target, found: Blocker) -> Blocker:
    """A deploy that runs, with the time at which it has ended by experience."""
    if found.kind != "running":
        return found
    active = active_deploy(target, only=(*TOLD, "started_at", "target"))
    end = expected_end(active) if active else None
    return replace(found, until=end.isoformat()) if end else found


def _awaited(deploy: Deploy, address: str) -> Blocker:
    until = deploy.build_awaited_until
    text = f"It starts when its build is there: {address}."
    if until is None:
        return Blocker("artifact", text)
    return Blocker("artifact", f"{text} {tell_awaited(until)}", until=until.isoformat())


def tell_awaited(until: datetime) -> str:
    at = f"{timezone.localtime(until):%d %b %H:%M %Z}"
    return f"That is waited for until {at}; then it ends, and those behind it go on."


def locked(lock: Lock) -> Blocker:
    """A lock or warning, in the words that every door uses."""
    return Blocker(
        kind="warning" if lock.kind == LockKind.WARNING else "lock",
        text=f"{locks.tell_who(lock)}: {lock.reason.rstrip('. ')}",
        who=lock.holder_name,
        until=lock.until.isoformat() if lock.until else "",
        url=reverse("locks"),
        lock=lock,
    )


def met(lock: Lock) -> Blocker:
    """What an automatic deploy waits for that has met a lock: nothing happens by itself when that ends."""
    if lock.is_over:
        text = f"The lock of {lock.holder_name} that it met has ended. A person deploys it or drops it."
        return Blocker("held", text, who=lock.holder_name, url=reverse("locks"))
    return replace(locked(lock), kind="held", text=f"Held: {locked(lock).text}")


def running(deploy: Deploy) -> Blocker:
    what = "is prepared and waits to go live" if deploy.rests else f"is {deploy.status}"
    return Blocker("running", f"#{deploy.number} {what}.", who=deploy.by_name, url=reverse("deploy", args=[deploy.pk]))


def _who_waits(
    target: Target, kind: str, standing: Sequence[Lock], known: Known | None, *, shut: bool
) -> list[Blocker]:
    """A free target belongs to whoever waited for it; a rollback goes before all but another one."""
    if known is not None:
        able = [deploy for deploy in known.waiting if kind != Kind.ROLLBACK or deploy.kind == Kind.ROLLBACK]
        first = turns.first_able(able, target, standing, shut=shut)
        return [waits_before(first)] if first else []
    rows = turns.waiting(target)
    if kind == Kind.ROLLBACK:
        rows = rows.filter(kind=Kind.ROLLBACK)
    # who is first is told, and that there is one decides: by number is near enough, and costs one query
    first = turns.first_of(rows.defer("plan", "recipe").order_by("number"), target, standing, shut=shut)
    return [waits_before(first)] if first else []


def waits_before(deploy: Deploy) -> Blocker:
    address = reverse("deploy", args=[deploy.pk])
    what = "waits for its build" if deploy.build_missing_since else "waits"
    return Blocker("queue", f"#{deploy.number} {what}, and goes first.", who=deploy.by_name, url=address)


def no_hosts(target: Target) -> Blocker:
    text = f"{target.environment} has no hosts yet for {target.application}."
    if looked_at := Host.objects.filter(memberships__environment=target.environment, observed=True)[:6]:
        text = f"{text} {observing.tell(looked_at)}"
    if target.role or target.labels:
        chosen = [f"the role {target.role}"] if target.role else []
        wanted = " and ".join([*chosen, *target.labels])
        text = f"No host of {target.environment} has {wanted}, which {target.application} wants there."
    if target.runner:
        text = f"The runner {target.runner} is no host of {target.environment}."
    if away := left_out(target):
        text = f"Every host of {target.slug} is set aside: {tell_left_out(away)}. Take one back first."
    return Blocker("no-hosts", text, passes=False)


def _is_taken_away(target: Target, kind: str) -> bool:
    """That goes to hosts that take no part in deploys too."""
    return (
        bool(target.name)
        and kind == Kind.TASK
        and Endpoint.objects.filter(target=target).exclude(ending_at=None).exists()
    )


def of_endpoint(target: Target, kind: str) -> list[Blocker]:
    """One that is being taken away takes no more deploys, one that is gone takes nothing."""
    endpoint = Endpoint.objects.filter(target=target).first()
    if endpoint is None or endpoint.gone_at is not None:
        return [Blocker("gone", f"There is no endpoint {target.slug} any more; make it again.", passes=False)]
    if endpoint.ending_at is not None and kind != Kind.TASK:
        return [Blocker("ending", f"{target.slug} is being taken away.", passes=False)]
    return []


def left(target: Target) -> Blocker:
    assert target.left_at is not None
    text = (
        f"The hosts of {target.slug} were left to another tool on {target.left_at:%d %b %Y}. "
        f"`manage.py leave {target.slug} --return` takes them up again."
    )
    return Blocker("left", text, passes=False)
