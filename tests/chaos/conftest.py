"""What the rows share: the fleet and targets of other tests, real workers, and a seed that is printed."""

import os
import random
from collections.abc import Callable, Iterator

import pytest

from environments import ssh
from tests.chaos.cluster import Cluster
from tests.chaos.faulty_link import FaultyLink
from tests.deployments import conftest as deploying
from tests.processes import Processes

driver, other_driver = deploying.driver, deploying.other_driver
fleet, shop, repositories = deploying.fleet, deploying.shop, deploying.repositories
make_fleet_target, make_place = deploying.make_fleet_target, deploying.make_place


@pytest.fixture
def chance() -> random.Random:
    """Random choices that can be made again: CHAOS_SEED."""
    seed = int(os.environ.get("CHAOS_SEED") or random.SystemRandom().randrange(1 << 32))
    print(f"CHAOS_SEED={seed}")
    return random.Random(seed)


@pytest.fixture
def cluster(processes: Processes, valkey: str, request: pytest.FixtureRequest) -> Iterator[Cluster]:
    make, folder = request.getfixturevalue("make_fleet_target"), request.getfixturevalue("repositories")
    made = Cluster(processes, folder, make, valkey)
    yield made
    made.kill_all()
    ssh.close_idle(-1)


@pytest.fixture
def link_to() -> Iterator[Callable[[str, int], FaultyLink]]:
    """`link_to(address, port)`: a link that can be broken; closed afterwards."""
    links: list[FaultyLink] = []

    def make(address: str, port: int) -> FaultyLink:
        links.append(FaultyLink(address, port))
        return links[-1]

    yield make
    for link in links:
        link.close()
