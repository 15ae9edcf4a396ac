"""Where a value is set: one layer, and which application, environment, target, region, zone or host it is there."""

from dataclasses import dataclass
from typing import Any

from django.db.models import Q

from environments import access
from environments.configuration.errors import NoSuchScope
from environments.models import Application, Environment, Host, Layer, Region, Target, User, Zone

Of = Application | Environment | Target | Region | Zone | Host
_MODELS: dict[type[Any], Layer] = {
    Application: Layer.APPLICATION,
    Environment: Layer.ENVIRONMENT,
    Target: Layer.TARGET,
    Region: Layer.REGION,
    Zone: Layer.ZONE,
    Host: Layer.HOST,
}
ORDER = tuple(Layer)
NAMED = (Layer.REGION, Layer.ZONE, Layer.HOST)  # a target does not say which


@dataclass(frozen=True)
class Scope:
    of: Of

    @property
    def layer(self) -> Layer:
        return _MODELS[type(self.of)]

    @property
    def name(self) -> str:
        """`shop`, `staging`, `shop/staging`, `eu-west`, `eu-west/a`, `web-1`."""
        return self.of.slug if isinstance(self.of, Target) else str(self.of)

    @property
    def column(self) -> dict[str, Any]:
        """Its rows, as a filter or as fields of a new one."""
        return {"layer": self.layer.value, self.layer.value: self.of}

    @property
    def facts(self) -> dict[str, str]:
        """What an event says of it."""
        of, found = self.of, {"layer": self.layer.value, "of": self.name}
        if isinstance(of, Target):
            found |= {"application": of.application.name, "environment": of.environment.name}
            found |= {"endpoint": of.name} if of.name else {}
        elif isinstance(of, Application | Environment):
            found[self.layer.value] = of.name
        elif isinstance(of, Host):
            found["host"] = of.name
        return found

    def targets(self) -> Q:
        """The targets that it reaches."""
        hosts = "environment__memberships__host"
        return {
            Layer.APPLICATION: Q(application=self.of.pk),
            Layer.ENVIRONMENT: Q(environment=self.of.pk),
            Layer.TARGET: Q(pk=self.of.pk) | Q(parent=self.of.pk),
            Layer.REGION: Q(**{f"{hosts}__zone__region": self.of.pk}),
            Layer.ZONE: Q(**{f"{hosts}__zone": self.of.pk}),
            Layer.HOST: Q(**{hosts: self.of.pk}),
        }[self.layer]

    def require_maintainer(self, by: User | None) -> None:
        """Raises NotAllowed. It takes the right on all that the value reaches; for a place, everywhere."""
        of = self.of
        if isinstance(of, Target):
            access.require(by, access.MAINTAIN, of)
        elif isinstance(of, Application):
            access.require(by, access.MAINTAIN, application=of)
        elif isinstance(of, Environment):
            access.require(by, access.MAINTAIN, environment=of)
        else:
            access.require(by, access.MAINTAIN)


def find_scope(target: Target, layer: str, of: str = "") -> Scope:
    """The scope of that layer as seen from `target`; `of` names the region, zone (`eu-west/a`) or host.

    Raises NoSuchScope.
    """
    if layer not in Layer.values:
        raise NoSuchScope(f"{layer!r} is no layer; there are {', '.join(Layer.values)}. Nothing was changed.")
    own: dict[str, Of] = {
        Layer.APPLICATION: target.application,
        Layer.ENVIRONMENT: target.environment,
        Layer.TARGET: target,
    }
    if layer in own:
        if of and of != Scope(own[layer]).name:
            raise NoSuchScope(f"The {layer} of {target.slug} is not {of!r}. Nothing was changed.")
        return Scope(own[layer])
    found = _find_place(target, layer, of)
    if found is None:
        raise NoSuchScope(f"There is no {layer} {of!r} with hosts of {target.environment.name}. Nothing was changed.")
    return Scope(found)


def _find_place(target: Target, layer: str, of: str) -> Of | None:
    """Only such as hosts of the target's environment stand in."""
    environment = target.environment_id
    if layer == Layer.HOST:
        return Host.objects.filter(memberships__environment=environment, name=of).first()
    zones = Zone.objects.filter(hosts__memberships__environment=environment).select_related("region")
    if layer == Layer.REGION:
        zone = zones.filter(region__name=of).first()
        return zone.region if zone else None
    region, _, name = of.partition("/")
    return zones.filter(region__name=region, name=name).first()
