"""Many who make endpoints at one moment: no port, name or place is given out twice, and no limit is passed."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from django.db import connection, transaction

from environments import endpoints
from environments.endpoints import EndpointError
from environments.models import Endpoint, Target
from tests.builders import make_target

pytestmark = [pytest.mark.both_databases, pytest.mark.django_db(transaction=True)]
ADDRESS = "http://{application}-{endpoint}.example.com:{port}"
PEOPLE = 8


def make_all(targets: list[Target], names: list[str]) -> list[str]:
    """What each of them is told; "" for who got one."""
    together = threading.Barrier(len(names))

    def make(number: int) -> str:
        try:
            together.wait(60)
            with transaction.atomic():
                endpoints.make(targets[number % len(targets)], "main", by=None, name=names[number])
        except EndpointError as refusal:
            return type(refusal).__name__
        finally:
            connection.close()
        return ""

    with ThreadPoolExecutor(len(names)) as pool:
        return list(pool.map(make, range(len(names))))


def test_each_gets_a_port_of_its_own_until_none_is_left() -> None:
    targets = [make_target(), make_target()]
    for number, target in enumerate(targets):
        first = 8000 + 10 * number
        endpoints.set_offer(
            target.environment, by=None, address=ADDRESS, first_port=first, last_port=first + 2, most=PEOPLE
        )
    told = make_all(targets, [f"e{number}" for number in range(PEOPLE)])
    assert sorted(told) == ["", "", "", "", "", "", "NoPortLeft", "NoPortLeft"]
    ports = list(Endpoint.objects.order_by("port").values_list("port", flat=True))
    assert ports == [8000, 8001, 8002, 8010, 8011, 8012]


def test_one_of_many_gets_a_name_and_nobody_passes_the_limit() -> None:
    target = make_target()
    endpoints.set_offer(target.environment, by=None, address=ADDRESS, first_port=8000, last_port=8099, most=3)
    told = make_all([target], ["same"] * PEOPLE)
    assert sorted(told) == ["", *["EndpointTaken"] * (PEOPLE - 1)]
    told = make_all([target], [f"e{number}" for number in range(PEOPLE)])
    assert sorted(told) == ["", "", *["TooMany"] * (PEOPLE - 2)]
    assert Endpoint.objects.count() == 3
