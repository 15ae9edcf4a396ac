"""Where the demo's hosts stand: 3 regions of 3 zones of 2 hosts, shared out between staging and production."""

from dataclasses import dataclass

REGIONS = ("eu-west", "us-east", "ap-south")
ZONE_LETTERS = ("a", "b", "c")
STAGING = "staging"
PRODUCTION = "production"


@dataclass(frozen=True, kw_only=True)
class DemoHost:
    """A host of the demo: its name, and the place and environment that it belongs to."""

    name: str
    region: str
    zone: str
    environment: str


def demo_hosts() -> tuple[DemoHost, ...]:
    """All 18 hosts, always in the same order: production has 12 in all nine zones, staging 6 in six of them."""
    return tuple(_host(region, letter, number) for region in REGIONS for letter in ZONE_LETTERS for number in (1, 2))


def zones_of(region: str) -> tuple[str, ...]:
    """The names of a region's zones."""
    return tuple(f"{region}-{letter}" for letter in ZONE_LETTERS)


def _host(region: str, letter: str, number: int) -> DemoHost:
    zone = f"{region}-{letter}"
    production = number == 1 or letter == "a"
    return DemoHost(
        name=f"{zone}-{number:02d}",
        region=region,
        zone=zone,
        environment=PRODUCTION if production else STAGING,
    )
