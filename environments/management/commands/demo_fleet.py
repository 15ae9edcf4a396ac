"""`manage.py demo_fleet`: the hosts of the demo. The supervisor runs it as a child."""

from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.db import DatabaseError, connection

from environments.demo.fleet import run_fleet
from environments.demo.fleet_file import Fleet
from environments.demo.layout import DemoFolder
from environments.demo.lifeline import FleetError
from environments.demo.ports import NoFreePort
from environments.demo.records import correct_ports


class Command(BaseCommand):
    """Runs until it is told to end, or until whoever started it is gone."""

    help = "Runs the demo's 18 SSH hosts in this process, under the demo folder of VAR."
    requires_system_checks = ()

    def handle(self, *args: Any, **options: Any) -> None:
        """Run the fleet; one clear sentence when it cannot."""
        try:
            run_fleet(DemoFolder(settings.VAR / "demo"), self._say, self._correct_ports)
        except (FleetError, NoFreePort) as error:
            raise CommandError(str(error)) from error

    def _correct_ports(self, fleet: Fleet) -> None:
        # Another program may have taken a port since the last start, so the host listens elsewhere now.
        try:
            for name in correct_ports(fleet):
                self._say(f"{name} listens on port {fleet.hosts[name].port} now; the Deployer knows.")
        except DatabaseError as error:
            self._say(f"The hosts' ports are not in the database yet: {error}".rstrip())
        finally:
            connection.close()

    def _say(self, text: str) -> None:
        self.stdout.write(text)
        self.stdout.flush()
