"""After a restored backup: hosts that have seen more than the database knows, and how they are deployed to again."""

from io import StringIO

import pytest
from django.core.management import CommandError, call_command

from deployments import fences
from environments.access import NotAllowed
from notifications.models import Event
from tests.deployments.conftest import MakeFleetTarget
from tests.deployments.ended import request
from tests.deployments.fleet import Driver, FleetTarget

pytestmark = pytest.mark.both_databases


def run(*arguments: str) -> str:
    out = StringIO()
    call_command("fence", *arguments, stdout=out)
    return out.getvalue()


def test_hosts_with_a_newer_past_are_deployed_to_again(make_fleet_target: MakeFleetTarget, driver: Driver) -> None:
    place = make_fleet_target(hosts=1)
    driver.run_to_end(request(place))
    (root,) = place.roots()
    (root / ".deployer/fence").write_text("900\n")
    refused = driver.run_to_end(request(place))
    assert f"`manage.py fence {place.target.slug} --to 900`" in refused.runs.get().error
    assert "is 900;" in run(place.target.slug, "--to", "900")
    assert driver.run_to_end(request(place)).status == "succeeded"
    assert int((root / ".deployer/fence").read_text()) > 900


def test_a_fence_is_only_raised(place: FleetTarget) -> None:
    run(place.target.slug, "--to", "7")
    for wanted in ("7", "3", "-1"):
        with pytest.raises(CommandError, match="is 7 already"):
            run(place.target.slug, f"--to={wanted}")
    with pytest.raises(CommandError, match="no target"):
        run("no/where", "--to", "9")
    place.target.refresh_from_db()
    assert place.target.fence == 7
    (raised,) = Event.objects.filter(kind="fence.raised")
    assert raised.facts == {"fence": 7}
    assert "command line" in raised.actor


def test_only_administrators_raise_it(place: FleetTarget) -> None:
    with pytest.raises(NotAllowed):
        fences.raise_to(place.target, 9, by=place.by)
    place.target.refresh_from_db()
    assert place.target.fence == 0
