"""The map of hosts: regions with zones with squares, and what each tells in words."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import groupby

from deployments.page_queries.host_marks import EMPTY, FINE, OBSERVED, Standing
from deployments.page_queries.words import Mark


@dataclass(slots=True)
class Square:
    """A host on the map."""

    name: str
    mark: Mark


@dataclass
class ZoneMap:
    """The hosts of one zone."""

    name: str
    squares: list[Square]

    @cached_property
    def sentence(self) -> str:
        """`40 hosts, 2 behind`: what the picture shows, in words."""
        return tell_squares(self.squares)

    def tag_facts(self) -> str:
        """Of thousands of squares, in one text."""
        return f"{self.name} " + " ".join(f"{square.name}:{square.mark.words}" for square in self.squares)


@dataclass
class RegionMap:
    """One region with its zones; the empty name is for hosts that stand nowhere."""

    name: str
    zones: list[ZoneMap]

    @cached_property
    def squares(self) -> list[Square]:
        return [square for zone in self.zones for square in zone.squares]

    @property
    def hosts(self) -> int:
        return len(self.squares)

    @cached_property
    def trouble(self) -> str:
        """What is not as it should be, in words; "" if nothing."""
        return tell_trouble(self.squares)


def build_map(hosts: Iterable[tuple[Standing, Mark]]) -> list[RegionMap]:
    """Regions with zones with squares, in the order of their names; what stands nowhere last."""
    ordered = sorted(hosts, key=lambda pair: (not pair[0].region, pair[0].region, pair[0].zone, pair[0].name))
    regions = []
    for region, group in groupby(ordered, key=lambda pair: pair[0].region):
        zones = groupby(group, key=lambda pair: pair[0].zone)
        made = [ZoneMap(name, [Square(host.name, mark) for host, mark in pairs]) for name, pairs in zones]
        regions.append(RegionMap(region, made))
    return regions


def size_of(hosts: int) -> str:
    """Squares are large up to about 60 hosts, small beyond 300."""
    return "l" if hosts <= 60 else "m" if hosts <= 300 else "s"


def tell_squares(squares: Sequence[Square]) -> str:
    number = len(squares)
    head = f"{number:,} host{'' if number == 1 else 's'}"
    trouble = tell_trouble(squares)
    return f"{head}, {trouble}" if trouble else head


def tell_trouble(squares: Iterable[Square]) -> str:
    """`2 behind, 1 drained`; "" where all is well."""
    counts: dict[str, int] = defaultdict(int)
    for square in squares:
        if (
            square.mark is not FINE and square.mark is not EMPTY and square.mark is not OBSERVED
        ):  # thousands of them: no look into each
            counts[square.mark.words] += 1
    return ", ".join(f"{number:,} {words}" for words, number in sorted(counts.items()))
