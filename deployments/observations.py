"""What hosts that are only observed truly run: looked at soon after they were added, and from time to time.

Each folder that a target of its environments names is looked at, or the one that was said for the host. The programs
are those of setting hosts up, which write nothing; whatever stands in the way is stored as it is explained there.
"""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.db import connection
from django.db.models import F, Q
from django.utils import timezone

from deployments import probing
from deployments.models import Observation
from deployments.probing import Examined, Trouble
from environments import access, on_hosts
from environments.models import Host, Target, User
from notifications import events

LOOK_SECONDS = 5.0  # how often a worker asks whether a host is due
AGAIN = timedelta(minutes=15)
AT_ONCE = 50
THREADS = 16
MOST_FOLDERS = 20
USUAL_USER, USUAL_ROOT = "deploy", "~/app"
_FACTS = ("free_kb", "folder", "sudo", "system", "who", "missing")


def folders_of(host: Host) -> list[tuple[str, str]]:
    """User and folder of each place where something may serve there: what targets say, and what was said for it."""
    rows = Target.objects.filter(environment__memberships__host=host, name="", left_at=None, runner=None)
    said = rows.order_by("root", "user").values_list("user", "root").distinct()[:MOST_FOLDERS]
    found = {root: host.user or user for user, root in said}
    if host.observed_root:
        found[host.observed_root] = host.user or USUAL_USER
    if not found:  # one may sign in at least, and see what the machine has
        found[USUAL_ROOT] = host.user or USUAL_USER
    return [(user, root) for root, user in found.items()]


def look_around() -> None:
    """Look at the observed hosts that are due and that this worker's queue reaches. Called again and again."""
    queue = settings.WORKER_QUEUE
    due = Host.objects.filter(Q(asked_at=None) | Q(asked_at__lte=timezone.now() - AGAIN), observed=True)
    near = Q(zone__region__queue=queue) if queue else Q(zone=None) | Q(zone__region__queue="")
    rows = due.filter(near).select_related("zone__region__gateway").order_by(F("asked_at").asc(nulls_first=True), "pk")
    mine = [host for host in rows[:AT_ONCE] if _claim(host)]
    if not mine:
        return

    def one(host: Host) -> None:
        try:
            look_at(host)
        finally:
            connection.close()

    with ThreadPoolExecutor(THREADS, thread_name_prefix="observe") as pool:
        list(pool.map(one, mine))


def _claim(host: Host) -> bool:
    """One worker looks at a host, whoever's UPDATE was first."""
    return Host.objects.filter(pk=host.pk, asked_at=host.asked_at).update(asked_at=timezone.now()) == 1


def probe(host: Host, *, by: User | None) -> list[Observation]:
    """What any host is like now, folder by folder; kept only where it is observed. Raises NotAllowed."""
    on_hosts.require(by, access.DEPLOY, host)
    rows = (
        look_at(host) if host.observed else [Observation(host=host, root=one.root, **_facts(one)) for one in _see(host)]
    )
    events.record("host.asked", by.username if by else "", host=host.name, told=tell(rows))
    return rows


def look_at(host: Host) -> list[Observation]:
    """Look at each of its folders now, and store what was seen."""
    Host.objects.filter(pk=host.pk).update(asked_at=timezone.now())
    seen = _see(host)
    if all(one.login for one in seen):  # else what is known of the other folders stays, with its age
        Observation.objects.filter(host=host).exclude(root__in=[one.root for one in seen]).delete()
    rows = [_write(host, one) for one in seen]
    if any(row.login for row in rows):
        Host.objects.filter(pk=host.pk).update(heard_at=timezone.now())
    return rows


def _see(host: Host) -> list[Examined]:
    """Folder by folder; a host that does not let us in says nothing of the others either."""
    seen: list[Examined] = []
    for user, root in folders_of(host):
        seen.append(probing.examine(host, user=user, root=root))
        if not seen[-1].login:
            break
    return seen


def _write(host: Host, seen: Examined) -> Observation:
    return Observation.objects.update_or_create(host=host, root=seen.root, defaults=_facts(seen))[0]


def _facts(seen: Examined) -> dict[str, Any]:
    troubles = [*seen.troubles, *([_unconfirmed(seen)] if seen.state == "confirm" else [])]
    return {
        "at": timezone.now(),
        "login": seen.login,
        "current": seen.current[:255],
        "revision": seen.revision if len(seen.revision) <= 40 else "",
        "layout": seen.layout[:150],
        "releases": seen.releases,
        "facts": {name: getattr(seen, name) for name in _FACTS},
        "troubles": [asdict(trouble) for trouble in troubles],
    }


def _unconfirmed(seen: Examined) -> Trouble:
    shown = " and ".join(key.fingerprint for key in seen.shown[:3])
    return Trouble(
        "host-key-unknown",
        "bad",
        f"Nobody has confirmed the key of {seen.host.name} yet.",
        f"It shows {shown}. Nothing was sent to it.",
        "Compare the fingerprint with what the machine itself prints, and accept it.",
    )


def tell(rows: Sequence[Observation]) -> str:
    """What was seen, in a sentence or two."""
    name = rows[0].host.name
    if not any(row.login for row in rows):
        troubles = [trouble for row in rows for trouble in row.troubles]
        why = f" {troubles[0]['what']} {troubles[0]['do']}" if troubles else ""
        return f"{name} could not be looked at.{why}"
    runs = [f"{row.revision[:7] or row.current} in {row.root}" for row in rows if row.current]
    nothing = f"nothing in {', '.join(row.root for row in rows)}"
    told = f"{name} runs {', '.join(runs) or nothing}."
    bad = [trouble["what"] for row in rows for trouble in row.troubles]
    return " ".join([told, *dict.fromkeys(bad)])
