"""One comparison: which hosts, reached how, and what is deployed to them."""

from dataclasses import dataclass

from benchmarks.peers.fleet import Fleet
from benchmarks.peers.repository import Repository


@dataclass(frozen=True)
class Scenario:
    """`hosts` are the addresses of the fleet, `reached` those that tools connect to, in the same order."""

    name: str
    fleet: Fleet
    repository: Repository
    hosts: tuple[str, ...]
    reached: tuple[str, ...]
    round_trip: float = 0.0
