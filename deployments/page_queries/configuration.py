"""The page of a target's configuration: what a host gets and from where, what changed, and what is not live yet."""

from dataclasses import dataclass

from django.db.models import Q

from deployments.models import Deploy
from deployments.release_configuration import differs, newer
from environments.configuration import comparing, merging, writing
from environments.configuration.comparing import Difference
from environments.configuration.delivering import Delivery
from environments.configuration.merging import Layers, Merged
from environments.models import ConfigurationValue, Environment, Host, Layer, Target, Zone

CHANGES = 20
NAMED_HOSTS = 200


@dataclass(frozen=True, slots=True)
class Line:
    """A name as it is shown: `lines` beyond the first, and what one should know of it."""

    it: Merged
    first: str
    lines: int
    warning: str

    @property
    def place(self) -> str:
        """As the form names where it is set."""
        return f"{self.it.layer}:{self.it.source}"


@dataclass(frozen=True, slots=True)
class Place:
    """A choice of where a value is set."""

    value: str
    words: str


@dataclass(slots=True)
class ConfigurationPage:
    target: Target
    host: Host | None
    hosts: list[str]
    lines: list[Line]
    places: list[Place]
    delivery: Delivery
    changes: list[ConfigurationValue]
    older: int | None
    environments: list[Environment]
    other: Environment | None
    differences: list[Difference]
    live: Deploy | None
    pending: bool
    not_live: list[Difference]
    newer: list[str]


def read_configuration(
    *, target: Target, host: str = "", other: str = "", before: int | None = None
) -> ConfigurationPage:
    """A fixed number of queries. Raises Host.DoesNotExist, Environment.DoesNotExist for names that are none."""
    members = Host.objects.filter(memberships__environment=target.environment).order_by("name")
    chosen = members.select_related("zone__region").get(name=host) if host else None
    environments = _environments(target)
    compared = _find(environments, other) if other else None
    rows = merging.with_places(merging.reaching(target)).order_by("-pk")
    changes = list(rows.filter(Q(pk__lt=before) if before else Q())[: CHANGES + 1])
    standing = getattr(target, "standing", None)
    live = standing.live if standing else None
    layers = Layers.read(target)
    pending = live is not None and differs(target, live.release, layers)
    return ConfigurationPage(
        target=target,
        host=chosen,
        hosts=list(members.values_list("name", flat=True)[:NAMED_HOSTS]),
        lines=[_line(it) for it in layers.merged(chosen)],
        places=_places(target, chosen),
        delivery=Delivery.of(target),
        changes=changes[:CHANGES],
        older=changes[CHANGES - 1].pk if len(changes) > CHANGES else None,
        environments=environments,
        other=compared,
        differences=_differences(target, compared),
        live=live,
        pending=pending,
        not_live=_not_live(target, live, layers) if pending else [],
        newer=sorted({row.name for row in newer(live.release, layers)}) if pending and live and live.release else [],
    )


def _line(it: Merged) -> Line:
    first, _, rest = it.shown.partition("\n")
    why = "" if it.secret else writing.read_differently(it.row.text)
    return Line(it, first, len(rest.splitlines()), f"python-dotenv reads it otherwise: {why}" if why else "")


def _environments(target: Target) -> list[Environment]:
    """The others of its application."""
    own = Q(targets__application=target.application, targets__name="")
    return list(Environment.objects.filter(own).exclude(pk=target.environment_id).order_by("position", "name"))


def _find(environments: list[Environment], name: str) -> Environment:
    found = next((it for it in environments if it.name == name), None)
    if found is None:
        raise Environment.DoesNotExist(name)
    return found


def _differences(target: Target, other: Environment | None) -> list[Difference]:
    if other is None:
        return []
    compared = Target.objects.select_related("application", "environment").get(
        application=target.application, environment=other, name=""
    )
    return comparing.between_targets(compared, target)


def _not_live(target: Target, live: Deploy | None, now: Layers) -> list[Difference]:
    """Of what all hosts have in common; values of single places differ too, but are too many to be told here."""
    told = live.release.configuration if live and live.release else None
    return comparing.between_times(target, told["upto"] if told else 0, now)


def _places(target: Target, host: Host | None) -> list[Place]:
    """From the nearest to the widest that people mean most often; hosts only where one is looked at."""
    own = f"the endpoint {target.name}" if target.name else f"{target.application} in {target.environment}"
    found = [
        Place(f"{Layer.TARGET}:{target.slug}", own),
        Place(f"{Layer.APPLICATION}:{target.application}", f"{target.application} everywhere"),
        Place(f"{Layer.ENVIRONMENT}:{target.environment}", f"everything in {target.environment}"),
    ]
    if host:
        found.append(Place(f"{Layer.HOST}:{host.name}", f"the host {host.name}"))
    zones = list(
        Zone.objects.filter(hosts__memberships__environment=target.environment).select_related("region").distinct()
    )
    regions = sorted({zone.region.name for zone in zones})
    found += [Place(f"{Layer.REGION}:{name}", f"the region {name}") for name in regions]
    found += [Place(f"{Layer.ZONE}:{zone}", f"the zone {zone}") for zone in zones]
    return found
