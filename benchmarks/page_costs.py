"""The inside of benchmarks/pages.py: fills the database, and asks for each page. Runs within `manage.py shell`."""

import gc
import os
import statistics
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import NoReverseMatch, reverse
from django.utils import timezone

from benchmarks import page_rules
from deployer_site.web_process import load_pages
from deployments.models import Deploy, HostRun, Standing
from environments.models import Application, Environment, Host, Membership, Region, Target, Team, User, Zone

APPLICATIONS, HOSTS = 200, 1000
ENVIRONMENTS = ("dev", "dev-london", "integration", "staging", "staging-london", "load", "canary", "production")
BIGGEST = "production"  # has every host; each other one has an eighth of them
RUNNING, WAITING = 12, 20


def fill(deploys: int) -> None:
    """Everything, in some minutes."""
    User.objects.bulk_create(
        User(username=f"person{n}", first_name="Person", last_name=str(n), role="deployer") for n in range(1, 41)
    )
    zones = [
        Zone.objects.create(region=region, name=f"{region.name}-{letter}")
        for region in (Region.objects.create(name=name) for name in ("eu-west", "us-east", "ap-south"))
        for letter in "abc"
    ]
    hosts = Host.objects.bulk_create(
        Host(name=f"host-{n:04}", address="192.0.2.1", zone=zones[n % 9]) for n in range(HOSTS)
    )
    environments = [Environment.objects.create(name=name, position=n) for n, name in enumerate(ENVIRONMENTS)]
    for n, environment in enumerate(environments):
        own = hosts if environment.name == BIGGEST else hosts[n::8]
        Membership.objects.bulk_create(Membership(environment=environment, host=host) for host in own)
    repository = "file:///srv/none"
    applications = Application.objects.bulk_create(
        Application(name=f"application-{n:03}", repository=repository) for n in range(APPLICATIONS)
    )
    Target.objects.bulk_create(
        Target(application=application, environment=environment, root=f"/srv/{application.name}")
        for application in applications
        for environment in environments
    )
    with connection.cursor() as cursor:
        text = Path(__file__).with_name("pages.sql").read_text()
        for statement in text.replace("{each}", str(deploys // (APPLICATIONS * 8))).split(";\n"):
            if statement.strip():
                cursor.execute(statement)
    for n, target in enumerate(Target.objects.order_by("-id")[: RUNNING + WAITING]):
        running = n < RUNNING
        last = Deploy.objects.filter(target=target).order_by("-id")[0]
        now = timezone.now()
        deploy = Deploy.objects.create(
            key=f"open{n}", target=target, number=last.number + 1, trigger="page", ref="main", revision=last.revision,
            release=last.release, by_id=1, by_name="Person 1", status="running" if running else "waiting",
            requested_at=now, started_at=now if running else None,
        )  # fmt: skip
        members = Membership.objects.filter(environment=target.environment).select_related("host")
        HostRun.objects.bulk_create(
            HostRun(
                deploy=deploy, host=it.host, host_name=it.host.name, region="eu-west",
                zone=f"eu-west-{'abc'[it.pk % 3]}", status="live" if running and it.pk % 3 else "pending",
            )
            for it in members
        )  # fmt: skip
        Target.objects.filter(pk=target.pk).update(last_number=deploy.number)
        Standing.objects.filter(target=target).update(latest=deploy)
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")


def heaviest() -> Deploy:
    """A deploy under way on all hosts."""
    rows = Deploy.objects.filter(status="running", target__environment__name=BIGGEST)
    return rows.select_related("target__application", "target__environment").order_by("id")[0]


def addresses() -> dict[str, str]:
    """The pages, each at its heaviest; those that this installation has not are left out."""
    running = heaviest()
    past = Deploy.objects.filter(target__environment__name=BIGGEST, status="succeeded").order_by("-id")[0]
    place = [running.target.application.name, BIGGEST]
    pages: dict[str, tuple[str, list[Any]]] = {
        "Home": ("home", []),
        "Application": ("application", place[:1]),
        "Target, 1,000 hosts": ("target", place),
        "New deploy": ("new-deploy", place),
        "Deploy, running on 1,000 hosts": ("deploy", [running.pk]),
        "Deploy, over": ("deploy", [past.pk]),
        "Waiting": ("waiting", []),
        "Environments": ("environments", []),
        "Environment, 1,000 hosts": ("environment", [BIGGEST]),
        "Host": ("host", ["host-0001"]),
        "Activity": ("activity", []),
        "Settings": ("settings", []),
        "Locks, 300": ("locks", []),
        "Teams, 20 of 50": ("settings-teams", []),
        "Permissions, 2,000 grants": ("settings-permissions", []),
        "Configuration, 240 of 5,000 values": ("configuration", place),
        "Log, its last lines": ("log-lines", [running.pk]),
        "Log, a search in 100,000 lines": ("log-hits", [running.pk]),
        "Palette": ("palette", []),
    }
    found = {}
    for title, (name, arguments) in pages.items():
        try:
            found[title] = reverse(name, args=arguments)
        except NoReverseMatch:
            continue
    found["Log, a search in 100,000 lines"] += "?q=asset+99999"
    if "Palette" in found:
        found["Palette, “application-1 prod”"] = found["Palette"] + "?q=application-1+prod"
    return found


class Cost(NamedTuple):
    """Of one page: ms by the clock, ms of processors (this process, the database's), queries, bytes."""

    title: str
    p50: float
    p95: float
    own: float
    database: float
    busy_p95: float
    queries: int
    size: int


def _of_database() -> float:
    """Ms of processor time that the database has spent on this connection; 0 where the kernel does not tell."""
    try:
        pid = connection.connection.info.backend_pid
        return int(Path(f"/proc/{pid}/schedstat").read_text().split()[0]) / 1e6
    except (AttributeError, OSError):
        return 0.0


def measure(rounds: int) -> Iterator[Cost]:
    """Each page. What processors did is the same on a machine that is busy with something else; the clock is not."""
    client = Client(headers={"host": "localhost"})
    User.objects.filter(pk=1).update(role="administrator", is_staff=True)
    client.force_login(User.objects.get(pk=1))
    for title, address in addresses().items():
        with CaptureQueriesContext(connection) as queries:
            answer = client.get(address)
        number = len(queries)
        if answer.status_code != 200:
            print(f"{title}: {address} answers {answer.status_code}", file=sys.stderr)
            continue
        spent, own, database = [], [], []
        for _ in range(rounds):
            connection.ensure_connection()
            before, began, begun = _of_database(), time.perf_counter(), time.process_time()
            client.get(address)
            spent.append((time.perf_counter() - began) * 1000)
            own.append((time.process_time() - begun) * 1000)
            database.append(_of_database() - before)
        busy = [sum(both) for both in zip(own, database, strict=True)]
        yield Cost(
            title, statistics.median(spent), _p95(spent), statistics.median(own), statistics.median(database),
            _p95(busy), number, len(answer.content),
        )  # fmt: skip


def _p95(values: list[float]) -> float:
    return statistics.quantiles(values, n=20)[-1]


def main(deploys: int, rounds: int) -> None:
    """Fill the database if it is empty; print the table."""
    if not Target.objects.exists():
        fill(deploys)
    if not Team.objects.exists():
        page_rules.fill(heaviest().target)
        with connection.cursor() as cursor:
            cursor.execute("ANALYZE")  # this server does not do so by itself
    # as the web process does: what is loaded is not looked through again and again
    load_pages()
    gc.collect()
    gc.freeze()
    load = os.getloadavg()[0]
    print(
        "| page | p50 ms | p95 ms | Python | database | both, p95 | queries | kB |\n|---|---|---|---|---|---|---|---|"
    )
    for it in measure(rounds):
        print(
            f"| {it.title} | {it.p50:.0f} | {it.p95:.0f} | {it.own:.0f} | {it.database:.0f} | {it.busy_p95:.0f} "
            f"| {it.queries} | {it.size / 1000:.0f} |",
            flush=True,
        )
    print(f"\nLoad average {load:.1f} to {os.getloadavg()[0]:.1f}, {os.cpu_count()} processors.")
