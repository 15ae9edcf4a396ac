"""`manage.py demo_seed`: sets the demo up. The supervisor runs it at each start."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError

from deployments.blockers import Blocked
from deployments.demo import DemoError, seed
from environments.demo.repositories import RepositoryError as DemoRepositoryError
from environments.repositories import RepositoryError


class Command(BaseCommand):
    """Ends once everything is there and the first deploys are requested."""

    help = "Sets up what is missing of the demo: people, hosts, applications, targets and their first deploys."
    requires_system_checks = ()

    def handle(self, *args: Any, **options: Any) -> None:
        """Seed; one clear sentence when it cannot."""
        try:
            deploys = seed()
        except (DemoError, DemoRepositoryError, RepositoryError, Blocked) as error:
            raise CommandError(str(error)) from error
        for deploy in deploys:
            self.stdout.write(f"First deploy requested: {deploy.target.slug} {deploy.ref}")
        self.stdout.write("The demo is set up.")
