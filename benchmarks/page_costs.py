"""The inside of benchmarks/pages.py: fills the database, and asks for each page. Runs within `manage.py shell`."""

import gc
import os
import statistics
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import NoReverseMatch, reverse
from django.utils import timezone

from benchmarks import page_rules
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
        "Teams, 50": ("settings-teams", []),
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


def measure(rounds: int) -> Iterator[tuple[str, float, float, float, int, int]]:
    """Per page: p50 and p95 in ms, this process's own share of the p50, queries, bytes."""
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
        spent, used = [], []
        for _ in range(rounds):
            began, begun = time.perf_counter(), time.process_time()
            client.get(address)
            spent.append((time.perf_counter() - began) * 1000)
            used.append((time.process_time() - begun) * 1000)
        p95 = statistics.quantiles(spent, n=20)[-1]
        yield title, statistics.median(spent), p95, statistics.median(used), number, len(answer.content)


def main(deploys: int, rounds: int) -> None:
    """Fill the database if it is empty; print the table."""
    if not Target.objects.exists():
        fill(deploys)
    if not Team.objects.exists():
        page_rules.fill(heaviest().target)
        with connection.cursor() as cursor:
            cursor.execute("ANALYZE")  # this server does not do so by itself
    # as the web process does: what is loaded is not looked through again and again
    gc.collect()
    gc.freeze()
    load = os.getloadavg()[0]
    print("| page | p50 ms | p95 ms | of it Python | queries | kB |\n|---|---|---|---|---|---|")
    for title, p50, p95, own, queries, size in measure(rounds):
        print(f"| {title} | {p50:.0f} | {p95:.0f} | {own:.0f} | {queries} | {size / 1000:.0f} |", flush=True)
    print(f"\nLoad average {load:.1f} to {os.getloadavg()[0]:.1f}, {os.cpu_count()} processors.")
