"""What the benchmark of pages adds to the fleet: locks, teams, what they were granted, configuration, and a log."""

from datetime import timedelta
from itertools import islice, product

from django.utils import timezone

from deployments.models import Deploy, LogChunk
from environments.models import (
    Application,
    ConfigurationValue,
    Environment,
    Grant,
    Host,
    Layer,
    Lock,
    LockQuestion,
    LockRequest,
    Target,
    Team,
    User,
    ValueKind,
)

LOCKS, TEAMS, GRANTS, VALUES, LINES = 300, 50, 2_000, 5_000, 100_000
OF_ONE_TARGET = 40  # of the values, what each layer of the heaviest target has
CHUNK = 500  # lines
STEP = 39  # one place of so many is granted to some team


def fill(heaviest: Target) -> None:
    """Locks, teams, grants and values all over; the most of them at this target, and a log in its newest deploy."""
    people = list(User.objects.order_by("pk")[:40])
    teams = Team.objects.bulk_create(Team(name=f"team-{n:02}") for n in range(TEAMS))
    for n, team in enumerate(teams):
        team.members.set(people[n % 40 :][:6])
    _fill_grants(teams)
    _fill_locks(heaviest, people, teams)
    _fill_values(heaviest)
    _fill_log(Deploy.objects.filter(target=heaviest).order_by("-id")[0])


def _fill_grants(teams: list[Team]) -> None:
    places = product(teams, Application.objects.order_by("pk"), Environment.objects.order_by("pk"))
    Grant.objects.bulk_create(
        Grant(team=team, role="maintainer", application=application, environment=environment)
        for team, application, environment in islice(places, 0, GRANTS * STEP, STEP)
    )


def _fill_locks(heaviest: Target, people: list[User], teams: list[Team]) -> None:
    now = timezone.now()
    others = Target.objects.exclude(pk=heaviest.pk).select_related("application", "environment").order_by("pk")
    locks = Lock.objects.bulk_create(
        Lock(
            scope=target.slug, environment=target.environment, target=target, holder=people[n % 40],
            team=teams[n % TEAMS] if n % 3 == 0 else None, holder_name=people[n % 40].full_name,
            reason="Nobody overwrites the build of the demo", since=now, until=now + timedelta(days=300),
        )
        for n, target in enumerate([heaviest, *others[: LOCKS - 1]])
    )  # fmt: skip
    LockRequest.objects.bulk_create(
        LockRequest(
            scope=lock.scope, environment=lock.environment, target=lock.target, person=people[(n + k) % 40],
            wanted_seconds=3600, reason="next", asked_at=now,
        )
        for n, lock in enumerate(locks)
        for k in (1, 2)
    )  # fmt: skip
    LockQuestion.objects.bulk_create(
        LockQuestion(lock=lock, by=people[(n + 3) % 40], by_name="Person", text="Are you done?", asked_at=now)
        for n, lock in enumerate(locks)
    )


def _fill_values(heaviest: Target) -> None:
    host = Host.objects.filter(memberships__environment=heaviest.environment).select_related("zone__region")[0]
    assert host.zone
    places = {
        Layer.APPLICATION: heaviest.application,
        Layer.ENVIRONMENT: heaviest.environment,
        Layer.TARGET: heaviest,
        Layer.REGION: host.zone.region,
        Layer.ZONE: host.zone,
        Layer.HOST: host,
    }
    own = [(layer, place) for layer, place in places.items() for _ in range(OF_ONE_TARGET)]
    rest = Target.objects.exclude(pk=heaviest.pk).order_by("pk")
    others = [(Layer.TARGET, target) for target in rest for _ in range(4)][: VALUES - len(own)]
    made = ConfigurationValue.objects.bulk_create(
        ConfigurationValue(
            layer=layer, name=f"SETTING_{n % OF_ONE_TARGET:02}", kind=ValueKind.TEXT, text=f"https://{n}.internal/",
            by_name="Person 1", **{layer.value: place},
        )
        for n, (layer, place) in enumerate([*own, *others])
    )  # fmt: skip
    Target.objects.filter(pk=heaviest.pk).update(configuration_at=made[len(own) - 1].pk)


def _fill_log(deploy: Deploy) -> None:
    now = timezone.now()
    LogChunk.objects.bulk_create(
        LogChunk(
            deploy=deploy, host_name=f"host-{first // CHUNK % 1000:04}", stream="stdout", first_n=first,
            last_n=first + CHUNK - 1, at=now,
            text="\n".join(f"compiled asset {n} in {n % 97} ms" for n in range(first, first + CHUNK)),
        )
        for first in range(1, LINES, CHUNK)
    )  # fmt: skip
    Deploy.objects.filter(pk=deploy.pk).update(lines=LINES)
