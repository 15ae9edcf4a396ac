"""The demo, from nothing to running: people, hosts, applications, targets, the first deploy of each, and a lock.

DemoError
├── DemoOff         DEMO=0: nothing of the demo may exist
└── FleetMissing    the demo's hosts do not listen
"""

import os
import socket
import time
from datetime import timedelta

from django.conf import settings
from django.db import transaction

from deployments import lifecycle
from deployments.demo_hooks import show_hooks
from deployments.models import Deploy, Placement, Trigger
from deployments.states import FINAL
from environments import keys, locks
from environments.demo.fleet_file import Fleet, read_fleet
from environments.demo.geography import STAGING
from environments.demo.layout import DemoFolder, write_text
from environments.demo.people import make_people, people_file
from environments.demo.records import demo_targets, make_applications, make_hosts
from environments.demo.repositories import PRICING_API, STOREFRONT, ensure_repositories
from environments.models import Lock, Reservation, User
from environments.repositories import RepositoryRefused, check_address

FIRST_REF = "v1.2"
"""What the first deploys bring: main is some commits ahead, so that there is something to deploy."""
FLEET_PATIENCE = 30.0


class DemoError(Exception):
    """The demo cannot be set up; the text says why and what to do."""


class DemoOff(DemoError):
    pass


class FolderUnfit(DemoError):
    pass


class FleetMissing(DemoError):
    pass


def seed() -> list[Deploy]:
    """Set up what is missing of the demo, and request the first deploys; returns these. A second call changes nothing.

    Raises DemoOff, FolderUnfit, FleetMissing, and what repositories and lifecycle raise.
    """
    if not settings.DEMO:
        raise DemoOff("The demo is off (DEMO=0), so there is nothing to set up. Start with DEMO=1 to have it.")
    demo = DemoFolder(settings.VAR / "demo")
    _check_folder(demo)
    repositories = ensure_repositories(demo.repositories)
    write_text(demo.authorized_keys, keys.ensure_key_pair().public.strip() + "\n", mode=0o600)
    fleet = wait_for_fleet(demo)
    with transaction.atomic():
        make_hosts(fleet)
        make_applications(repositories)
        _place(fleet)
        make_people(settings.VAR)
    deploys = _first_deploys()
    _show_locks()
    show_hooks()
    return deploys


def demo_state() -> tuple[bool, str]:
    """Whether the demo is there to be looked at, in a sentence: its people, and the end of each first deploy."""
    targets = list(demo_targets())
    # the file is written inside the transaction that makes the targets
    if not targets or not people_file(settings.VAR).exists():
        return False, "The demo is being set up; see the lines of `seed` if this lasts."
    waiting = [target.slug for target in targets if not _first_is_over(target.pk)]
    if waiting:
        return False, f"The demo's first deploys are on their way: {', '.join(waiting)}."
    return True, f"The demo is ready; its people stand in {people_file(settings.VAR)}."


def wait_for_fleet(demo: DemoFolder, *, patience: float = FLEET_PATIENCE) -> Fleet:
    """The fleet that listens now. Raises FleetMissing."""
    deadline = time.monotonic() + patience
    while True:
        fleet = read_fleet(demo)
        if fleet and _lives(fleet):
            return fleet
        if time.monotonic() > deadline:
            raise FleetMissing(
                f"The demo's hosts did not listen within {patience:.0f} s ({demo.fleet_file}). "
                "Look at the lines of `fleet`; `manage.py demo_fleet` starts it."
            )
        time.sleep(0.1)


def _check_folder(demo: DemoFolder) -> None:
    try:
        check_address(demo.repositories.resolve().as_uri())
    except RepositoryRefused as error:
        raise FolderUnfit(
            f"The demo's repositories cannot lie in {demo.repositories}: {error} Start with VAR set to a folder whose "
            "path has only plain letters, digits, dots, hyphens and underscores, or with DEMO=0."
        ) from None


def _lives(fleet: Fleet) -> bool:
    """Whether that process is there and its hosts listen: the file outlives the fleet that wrote it."""
    try:
        os.kill(fleet.pid, 0)
        for host in fleet.hosts.values():
            socket.create_connection((host.address, host.port), timeout=2).close()
    except OSError:
        return False
    return True


def _place(fleet: Fleet) -> None:
    """Give each target its port on each of its hosts."""
    for target in demo_targets():
        for member in target.environment.memberships.select_related("host"):
            host = fleet.hosts.get(member.host.name)
            if host:
                port = host.application_ports[target.application.name]
                Placement.objects.get_or_create(host=member.host, target=target, colour="", defaults={"port": port})


def _first_deploys() -> list[Deploy]:
    return [
        lifecycle.request_deploy(target=target, ref=FIRST_REF, by=None, trigger=Trigger.SYSTEM, automatic=True)
        for target in demo_targets()
        if target.last_number == 0
    ]


def _show_locks() -> None:
    """One place is held, somebody waits for it, and one is reserved: after the first deploys, which that would hold."""
    if Lock.objects.exists() or Reservation.objects.exists():
        return
    ben, ada = User.objects.get(username="ben"), User.objects.get(username="ada")
    held, later = (locks.find(f"{application}/{STAGING}", viewer=None) for application in (PRICING_API, STOREFRONT))
    with transaction.atomic():
        until = locks.clock() + timedelta(days=3)
        locks.acquire(held, by=ben, reason="Acceptance of the volume discounts: please keep this build", until=until)
        locks.wait_in_line(held, by=ada, wanted=timedelta(hours=2), reason="Rounding of currencies comes next")
        starts = (locks.clock() + timedelta(days=1)).replace(hour=9, minute=0, second=0, microsecond=0)
        ends, weeks = starts + timedelta(hours=2), (starts + timedelta(weeks=3)).date()
        locks.book(later, by=ada, reason="Rehearsal of the winter sale", starts=starts, ends=ends, weekly_until=weeks)


def _first_is_over(target_id: int) -> bool:
    return Deploy.objects.filter(target=target_id, number=1, status__in=FINAL).exists()
