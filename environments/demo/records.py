"""The demo in the database: its places, hosts with pinned keys, applications and targets. Each is made once."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from django.utils import timezone

from environments import presets
from environments.demo.fleet_file import Fleet, FleetHost
from environments.demo.geography import PRODUCTION, STAGING
from environments.demo.hosts import SERVICE_COMMAND, USER
from environments.demo.ports import BLOCK
from environments.demo.repositories import PRICING_API, STOREFRONT
from environments.models import (
    Application,
    EndpointOffer,
    Environment,
    GivenHost,
    Host,
    HostKey,
    HostSource,
    Membership,
    Phase,
    Region,
    SecretStore,
    Step,
    Target,
    Task,
    Zone,
)
from notifications.models import Channel

SOURCE = "demo"
LIST = "inventory"
ACCEPTED_BY = "the demo"
ENVIRONMENTS = (STAGING, PRODUCTION)


@dataclass(frozen=True)
class DemoStep:
    """A step with a preset, in that one's usual phase; or (`command`, `phase`) a plain one. All may run twice."""

    name: str
    preset: str = "command"
    parameters: Mapping[str, object] = field(default_factory=dict)
    command: str = ""
    phase: str = ""

    def of(self, target: Target, position: int) -> Step:
        phase = self.phase or presets.find(self.preset).usual.phase
        return Step(
            target=target, position=position, name=self.name, preset=self.preset, parameters=dict(self.parameters),
            command=self.command, phase=phase, time_limit=120, silence_limit=60,
        )  # fmt: skip


@dataclass(frozen=True)
class DemoApplication:
    """How an application of the demo gets to its hosts. Tasks: name, what it is for, command, what it asks for."""

    distribution: str
    steps: tuple[DemoStep, ...]
    linked_dirs: tuple[str, ...] = ()
    tasks: tuple[tuple[str, str, str, list[dict[str, object]]], ...] = ()


def _service(act: str, application: str) -> str:
    """An endpoint runs beside its target, under a name of its own."""
    return f"{SERVICE_COMMAND} {act} {application}${{DEPLOYER_ENDPOINT:+-$DEPLOYER_ENDPOINT}}"


APPLICATIONS = {
    STOREFRONT: DemoApplication(
        Application.Distribution.ARCHIVE,
        (
            DemoStep("compile-assets", "asset-compile", {"command": "bin/compile-assets", "output": "static/compiled"}),
            DemoStep("migrate", "database-migration", {"command": "bin/migrate", "down_command": "bin/migrate down"}),
            DemoStep("restart", command=_service("restart", STOREFRONT), phase=Phase.RESTART),
            DemoStep("smoke", command="bin/smoke", phase=Phase.AFTER),
            DemoStep("warm-cache", "cache-warm", {"paths": ["/"]}),
            DemoStep("stop", command=_service("stop", STOREFRONT), phase=Phase.STOP),
        ),
        linked_dirs=("uploads",),
        tasks=(
            (
                "warm-cache",
                "Ask for the pages that most people see, so that they are quick for the next one.",
                "bin/warm-cache",
                [],
            ),
            (
                "show-uploads",
                "What customers have uploaded on each host.",
                'ls -l "$DEPLOYER_SHARED_PATH/uploads" | grep -i -- "$PARAM_NAME" || echo "nothing with $PARAM_NAME"',
                [{"name": "name", "label": "Part of a file's name", "default": ".jpg"}],
            ),
        ),
    ),
    PRICING_API: DemoApplication(
        Application.Distribution.GIT,
        (
            DemoStep("check-prices", "lint", {"checks": ["bin/check-prices"]}),
            DemoStep("migrate", "database-migration", {"command": "bin/migrate"}),
            DemoStep("restart", command=_service("restart", PRICING_API), phase=Phase.RESTART),
            DemoStep("smoke", command="bin/smoke", phase=Phase.AFTER),
            DemoStep("stop", command=_service("stop", PRICING_API), phase=Phase.STOP),
        ),
    ),
}


ENDPOINT_ROLE = "endpoints"
ENDPOINT_OFFSET = 60
ENDPOINT_PORTS = 20  # all hosts of the demo are one machine, so one of them serves the endpoints


def make_hosts(fleet: Fleet) -> None:
    """The environments, regions, zones and hosts; a host that listens elsewhere now is corrected."""
    made_now = False
    for position, name in enumerate(ENVIRONMENTS, start=1):
        _, made_now = Environment.objects.get_or_create(name=name, defaults={"position": position})
    for row in fleet.hosts.values():
        region, _ = Region.objects.get_or_create(name=row.region)
        zone, _ = Zone.objects.get_or_create(region=region, name=row.zone)
        host, made = Host.objects.get_or_create(
            name=row.name, defaults={"address": row.address, "port": row.port, "zone": zone}
        )
        if made:
            place = Environment.objects.get(name=row.environment)
            roles = ["web", ENDPOINT_ROLE] if row.name == _serves_endpoints(fleet) else ["web"]
            Membership.objects.create(environment=place, host=host, roles=roles, source=SOURCE)
        _pin(host, row)
    correct_ports(fleet)
    if made_now:
        _make_source()
        _make_store()
        _make_channel()
        _offer_endpoints(fleet)


def _serves_endpoints(fleet: Fleet) -> str:
    return min(row.name for row in fleet.hosts.values() if row.environment == STAGING)


def _offer_endpoints(fleet: Fleet) -> None:
    """Any branch at an address of its own, on ports of the fleet's own block behind those of its applications."""
    known = fleet.hosts[_serves_endpoints(fleet)].application_ports.values()
    first = min(known) - min(known) % BLOCK + ENDPOINT_OFFSET
    EndpointOffer.objects.get_or_create(
        environment=Environment.objects.get(name=STAGING),
        defaults={
            "address": "http://{application}-{endpoint}.staging.localhost:{port}",
            "role": ENDPOINT_ROLE,
            "first_port": first,
            "last_port": first + ENDPOINT_PORTS - 1,
            "most": ENDPOINT_PORTS,
        },
    )


def _make_source() -> None:
    """Where the demo's staging hosts are also written down, so that there is a source to look at."""
    place = Environment.objects.get(name=STAGING)
    facts = {"environment": place, "kind": "lines", "settings": {"lines": _lines(place)}}
    source, made = HostSource.objects.get_or_create(name=LIST, defaults=facts | {"due_at": timezone.now()})
    if made:
        hosts = Host.objects.filter(memberships__environment=place).order_by("name")
        GivenHost.objects.bulk_create(GivenHost(source=source, host=host, key=host.name) for host in hosts)


def _make_store() -> None:
    """Where secrets may lie instead; no value of the demo refers to it, so nobody needs the program."""
    settings = {"command": "/usr/bin/pass show {}"}
    SecretStore.objects.get_or_create(name="passwords", defaults={"kind": "command", "settings": settings})


def _make_channel() -> None:
    """Where announcements might go; it does not run, for the address is nobody's."""
    told = "The address is the demo's own invention, so nothing is sent there. Set up a channel of your own."
    room = {"address": "ircs://irc.example.com", "room": "#releases", "nick": "deployer"}
    facts = {"kind": "irc", "settings": room, "stopped": True}
    facts |= {"environments": [PRODUCTION], "trouble": told, "trouble_at": timezone.now(), "owner": "ada"}
    Channel.objects.get_or_create(name="releases", defaults=facts)


def _lines(place: Environment) -> str:
    hosts = Host.objects.filter(memberships__environment=place, memberships__source=SOURCE).order_by("name")
    return "\n".join(f"{USER}@{host.address}:{host.port} as {host.name}" for host in hosts)


def correct_ports(fleet: Fleet) -> list[str]:
    """Write down where the demo's hosts listen now; the names of those whose port was another one."""
    moved = []
    for row in fleet.hosts.values():
        demo_host = Host.objects.filter(name=row.name, memberships__source=SOURCE)
        if Host.objects.filter(pk__in=demo_host).exclude(port=row.port).update(port=row.port):
            moved.append(row.name)
    for source in HostSource.objects.filter(name=LIST, kind="lines") if moved else ():
        HostSource.objects.filter(pk=source.pk).update(settings={"lines": _lines(source.environment)})
    return moved


def make_applications(repositories: Mapping[str, Path]) -> None:
    """The applications, and a target of each in both environments."""
    for name, demo in APPLICATIONS.items():
        application, _ = Application.objects.get_or_create(
            name=name,
            defaults={"repository": repositories[name].resolve().as_uri(), "distribution": demo.distribution},
        )
        for environment in Environment.objects.filter(name__in=ENVIRONMENTS):
            _make_target(application, environment, demo)


def demo_targets() -> list[Target]:
    """The targets that the demo deploys first; fewer when a person has removed some."""
    return list(Target.objects.filter(application__name__in=APPLICATIONS, environment__name__in=ENVIRONMENTS, name=""))


def _make_target(application: Application, environment: Environment, demo: DemoApplication) -> None:
    target, made = Target.objects.get_or_create(
        application=application,
        environment=environment,
        name="",
        defaults={"root": f"~/srv/{application.name}", "user": USER, "linked_dirs": list(demo.linked_dirs)},
    )
    if made:
        Step.objects.bulk_create(step.of(target, position) for position, step in enumerate(demo.steps, start=1))
        Task.objects.bulk_create(
            Task(target=target, position=position, name=name, description=description, command=command,
                 parameters=parameters, time_limit=60, silence_limit=60, repeatable=True)
            for position, (name, description, command, parameters) in enumerate(demo.tasks, start=1)
        )  # fmt: skip


def _pin(host: Host, row: FleetHost) -> None:
    # The demo made this key itself a moment ago, so nobody has to be asked; a key of an emptied folder is replaced.
    algorithm, key = row.host_key.split()[:2]
    if not host.keys.filter(key=key).exists() and host.memberships.filter(source=SOURCE).exists():
        host.keys.filter(accepted_by=ACCEPTED_BY).delete()
        HostKey.objects.create(host=host, algorithm=algorithm, key=key, accepted_by=ACCEPTED_BY)
