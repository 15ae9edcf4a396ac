"""What is hard to show: the longest names, none, one and a thousand hosts, all failed, all waiting, other scripts.

Filled into an installation whose workers run: nothing here is for a worker to go on with.
"""

from datetime import timedelta

from django.utils import timezone

from deployments.models import Deploy, Drift, HostRun
from deployments.states import DeployStatus, RunStatus
from environments.choices import MOST as MOST_CHOICES
from environments.configuration.changing import set_value
from environments.configuration.scopes import find_scope
from environments.models import Environment, Grant, Host, LockRequest, Membership, Target, Team, User
from notifications import events
from tests import builders

APPLICATION = "customer-notification-preferences-gatewa"  # 40 characters
PLACE = "staging-for-the-acceptance-tests-of-2027"
BRANCH = "feature/PAY-12345-retry-the-settlement-of-late-payments-once"  # 60
HOST = "ip-10-214-113-207-eu-central-1-app-a{n:04}"  # 40
REASON = (
    "Acceptance of the new settlement with the auditors, who are here until Thursday evening and need exactly this "
    "build: https://tickets.example/browse/PAY-12345?focus=comments&page=com.example.issuetabpanels%3Aall-tabpanel"
)
MANY = 1000
PEOPLE = {
    "maryam": ("مریم السادات", "حسینی تهرانی"),
    "taro": ("山田", "太郎左衛門之助"),
    "wolfe": ("Wolfeschlegelsteinhausenbergerdorff", "Featherstonehaugh-Cholmondeley"),
    "robot-of-the-continuous-integration-fleet": ("", ""),  # nobody has said what they are called
}


def fill() -> None:
    """All of it. The people are those of PEOPLE; `wolfe` holds what is locked."""
    people = [
        builders.make_user(username=name, first_name=first, last_name=last) for name, (first, last) in PEOPLE.items()
    ]
    application = builders.make_application(name=APPLICATION)
    places = [
        builders.make_environment(name=name, position=90 + n)
        for n, name in enumerate((PLACE, "with-no-host", "with-one-host", "with-a-thousand-hosts"))
    ]
    named, none, one, many = (
        builders.make_target(application=application, environment=place, root=f"/srv/{APPLICATION}") for place in places
    )
    _add_hosts(named.environment, 4)
    _add_hosts(one.environment, 1)
    _add_hosts(many.environment, MANY)
    builders.make_deploy(target=none, status=DeployStatus.FAILED, reason="No host takes part.", ref=BRANCH)
    for target in (named, one, many):
        _add_history(target, people)
    _lock(named, people)
    _give(people, named)
    _add_teams()


def _add_hosts(environment: Environment, number: int) -> None:
    zone = builders.make_zone(region="eu-central-frankfurt-and-surroundings", zone="eu-central-1a-first-building")
    first = Host.objects.count()
    hosts = Host.objects.bulk_create(
        Host(name=HOST.format(n=first + n), address="192.0.2.1", zone=zone if n % 2 else None) for n in range(number)
    )
    Membership.objects.bulk_create(Membership(environment=environment, host=host) for host in hosts)


def _add_history(target: Target, people: list[User]) -> None:
    """One that went well, one that came to some hosts only, and one that failed on all."""
    hosts = [member.host for member in target.environment.memberships.select_related("host")]
    good = builders.make_deploy(target=target, by=people[0], ref=BRANCH)
    placed = hosts[:4]
    for n, host in enumerate(placed):
        drift = Drift.OUTSIDE if n == 1 else ""
        builders.make_placement(
            host=host, target=target, current=good.release, seen=f"20260101000000-{'a' * 40}", drift=drift
        )
    error = f"/srv/{APPLICATION}/releases/20260101000000-0123456/node_modules/.bin/webpack: Permission denied ✗ 許可が"
    for status, states in (
        (DeployStatus.PARTIAL, (RunStatus.LIVE, RunStatus.FAILED)),
        (DeployStatus.FAILED, (RunStatus.FAILED, RunStatus.UNREACHABLE)),
    ):
        for by in people:
            deploy = builders.make_deploy(target=target, status=status, by=by, ref=BRANCH, reason=error)
            _add_runs(deploy, hosts, states, error)
            builders.make_lines(deploy=deploy, texts=[f"\x1b[31m{error}\x1b[0m " * 3, "一二三四五", "שלום עולם"])


def _add_runs(deploy: Deploy, hosts: list[Host], states: tuple[str, ...], error: str) -> None:
    now = timezone.now()
    deploy.runs.bulk_create(
        HostRun(
            deploy=deploy, host=host, host_name=host.name, region="eu-central-frankfurt-and-surroundings",
            zone="eu-central-1a-first-building", status=state, started_at=now, finished_at=now,
            switched_at=now if state == RunStatus.LIVE else None,
            step="compile-and-minify-all-assets" if state == RunStatus.FAILED else "",
            error_kind="step" if state == RunStatus.FAILED else "", error=error if state == RunStatus.FAILED else "",
        )
        for n, host in enumerate(hosts)
        for state in [states[n % len(states)]]
    )  # fmt: skip


def _lock(target: Target, people: list[User]) -> None:
    """Everything there is held, waited for and asked for."""
    holder = people[2]
    lock = builders.make_lock(target=target, by=holder, reason=REASON[:300], hours=900)
    now = timezone.now()
    for person in people:
        builders.make_deploy(target=target, status=DeployStatus.WAITING, by=person, ref=BRANCH, met_lock=lock)
        if person != holder:
            lock.questions.create(by=person, by_name=person.full_name, text=REASON[:300], asked_at=now)
            LockRequest.objects.create(
                scope=lock.scope, environment=lock.environment, target=lock.target, person=person,
                wanted_seconds=int(timedelta(days=1).total_seconds()), reason=REASON[:300], asked_at=now,
            )  # fmt: skip


def _add_teams() -> None:
    """More than one list to choose from shows."""
    Team.objects.bulk_create(Team(name=f"team-{n:03}") for n in range(MOST_CHOICES + 20))


def _give(people: list[User], target: Target) -> None:
    team = Team.objects.create(name="customer-notifications-and-settlement")
    team.members.set(people)
    Grant.objects.create(team=team, role="maintainer", application=target.application, environment=target.environment)
    scope = find_scope(target, "target")
    set_value(scope, "SETTLEMENT_SERVICE_CALLBACK_ADDRESS_OF_THE_SECONDARY_REGION", f"https://{'a' * 200}/", by=None)
    events.record("person.added", people[0].username, user=people[-1].username, role="deployer")


def addresses() -> dict[str, str]:
    """The pages that show it."""
    latest = Deploy.objects.order_by("-id")
    pages = {
        "home": "/",
        "application": f"/{APPLICATION}/",
        "locks": "/locks",
        "waiting": "/waiting",
        "hosts": "/hosts",
    }
    for name in (PLACE, "with-no-host", "with-one-host", "with-a-thousand-hosts"):
        pages |= {f"target {name}": f"/{APPLICATION}/{name}/", f"environment {name}": f"/environments/{name}"}
        deploy = latest.filter(target__environment__name=name).exclude(status=DeployStatus.WAITING)[0]
        pages[f"deploy {name}"] = f"/deploys/{deploy.pk}"
    pages["deploy held"] = f"/deploys/{latest.filter(status=DeployStatus.WAITING)[0].pk}"
    pages["new deploy"] = f"/{APPLICATION}/{PLACE}/deploy?ref={BRANCH}"
    pages["configuration"] = f"/{APPLICATION}/{PLACE}/configuration"
    pages["host"] = f"/hosts/{Host.objects.filter(memberships__environment__name=PLACE)[0].name}"
    pages["permissions"] = f"/settings/permissions?at={APPLICATION}/{PLACE}"
    rooms = ("locks", "waiting", "hosts", "environments", "activity", "settings/people", "settings/teams")
    return pages | {room: f"/{room}" for room in rooms}
