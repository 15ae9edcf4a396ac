"""What a host gets: all layers of a target laid over one another, now or as of an earlier change."""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Self

from django.db.models import Max, Q, QuerySet

from environments.configuration.changing import plain_text
from environments.configuration.scopes import ORDER
from environments.models import ConfigurationValue, Host, Layer, Membership, Target, ValueKind, Zone
from environments.secret_stores.references import Reference

Rows = dict[tuple[str, int], dict[str, ConfigurationValue]]


@dataclass(frozen=True)
class Merged:
    """One name as a host gets it. `covered`: what it would be in the layers below, the nearest first."""

    row: ConfigurationValue
    covered: tuple[ConfigurationValue, ...] = ()

    @property
    def name(self) -> str:
        return self.row.name

    @property
    def layer(self) -> str:
        return self.row.layer

    @property
    def source(self) -> str:
        """Which application, environment, target, region, zone or host said so."""
        return str(self.row.of)

    @property
    def secret(self) -> bool:
        return self.row.is_secret

    @property
    def shown(self) -> str:
        """The value for people: empty for a secret."""
        return "" if self.secret else self.row.text

    @property
    def reference(self) -> Reference | None:
        """Where the secret lies, if not here."""
        return self.row.reference

    def plain(self) -> str:
        """The value for hosts; of a secret that lies elsewhere, where. Raises CannotOpen."""
        return plain_text(self.row)


@dataclass(frozen=True)
class Layers:
    """All values that reach a target's hosts, read at once however many hosts there are."""

    target: Target
    rows: Rows

    @classmethod
    def read(cls, target: Target, *, upto: int | None = None, sources: bool = True) -> Self:
        """As they are now, or as they were right after the change `upto` (0: before the first).

        `sources`: with what is needed to tell where each value comes from, which nine tables say.
        """
        found = with_places(reaching(target)) if sources else reaching(target)
        at = Q(latest=True) if upto is None else Q(pk__lte=upto)
        rows: Rows = {}
        # a later row takes the place of an earlier one
        for row in found.filter(at).order_by("pk") if upto != 0 else ():
            rows.setdefault((row.layer, row.of_id), {})[row.name] = row
        return cls(target, rows)

    @cached_property
    def regions(self) -> dict[int, int]:
        """Of each zone. Read once somebody asks what a host gets."""
        return dict(Zone.objects.values_list("pk", "region"))

    def merged(self, host: Host | None) -> list[Merged]:
        """By name. Without a host: what all hosts have in common."""
        found: dict[str, list[ConfigurationValue]] = {}
        for place in self._places(host):
            for name, row in self.rows.get(place, {}).items():
                if not row.is_removed:
                    found.setdefault(name, []).insert(0, row)
        return [Merged(rows[0], tuple(rows[1:])) for _, rows in sorted(found.items())]

    def _places(self, host: Host | None) -> Iterator[tuple[str, int]]:
        zone = host.zone_id if host else None
        ids = {
            Layer.APPLICATION: self.target.application_id,
            Layer.ENVIRONMENT: self.target.environment_id,
            Layer.TARGET: self.target.parent_id or self.target.pk,
            Layer.REGION: self.regions.get(zone) if zone else None,
            Layer.ZONE: zone,
            Layer.HOST: host.pk if host else None,
        }
        for layer in ORDER:
            if (found := ids[layer]) is not None:
                yield layer.value, found
            if layer == Layer.TARGET and self.target.parent_id:
                yield layer.value, self.target.pk  # an endpoint's own, which win over those of its target

    def secrets(self) -> frozenset[str]:
        """The secret values of all hosts that are kept here, for masks. Raises CannotOpen."""
        return frozenset(plain_text(row) for row in self._all() if row.kind == ValueKind.SECRET)

    def references(self) -> list[ConfigurationValue]:
        """The rows whose secrets lie elsewhere, of all hosts."""
        return [row for row in self._all() if row.kind == ValueKind.OUTSIDE]

    def digest(self, delivered: object = ()) -> str:
        """Equal for equal configuration and `delivered`; it tells nothing of the values. "" for nothing at all."""
        lines = sorted(f"{row.layer} {row.of_id} {row.name} {row.content}" for row in self._all())
        if not lines and not delivered:
            return ""
        return hashlib.sha256("\n".join([repr(delivered), *lines]).encode()).hexdigest()

    def _all(self) -> Iterator[ConfigurationValue]:
        return (row for rows in self.rows.values() for row in rows.values() if not row.is_removed)


def reaching(target: Target) -> QuerySet[ConfigurationValue]:
    """The rows, old ones too, of all layers that reach hosts of the target's environment."""
    zones = Zone.objects.filter(hosts__memberships__environment=target.environment_id)
    hosts = Membership.objects.filter(environment=target.environment_id)
    return ConfigurationValue.objects.filter(
        Q(application=target.application_id)
        | Q(environment=target.environment_id)
        | Q(target__in=[pk for pk in (target.parent_id, target.pk) if pk])
        | Q(region__in=zones.values("region"))
        | Q(zone__in=zones.values("pk"))
        | Q(host__in=hosts.values("host"))
    )


def with_places(rows: QuerySet[ConfigurationValue]) -> QuerySet[ConfigurationValue]:
    """With the names of what they belong to, so that no row asks for them by itself."""
    places = ("application", "environment", "target__application", "target__environment", "region", "zone__region")
    own = (field.name for field in ConfigurationValue._meta.concrete_fields)
    names = ("target__name", "zone__name", *(f"{place}__name" for place in (*places, "host") if "target" not in place))
    of_targets = ("target__application__name", "target__environment__name")
    return rows.select_related(*places, "host").only(*own, *names, *of_targets)


def merged(target: Target, host: Host | None = None) -> list[Merged]:
    """What `host` gets of this target now, by name."""
    return Layers.read(target).merged(host)


def newest_change() -> int:
    """The point in time at which the configuration is now; 0 before the first change."""
    found: int | None = ConfigurationValue.objects.aggregate(newest=Max("pk"))["newest"]
    return found or 0
