"""`manage.py import-capistrano`: targets from Capistrano's configuration, and its history from the hosts."""

import argparse
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from deployments.capistrano import taking_over
from deployments.capistrano.refusals import CapistranoError
from deployments.management.commands.leave import find_target
from environments.operator import operator


class Command(BaseCommand):
    """Nothing of the configuration is executed."""

    help = "Take over what Capistrano did: its configuration becomes targets, its folders on hosts their history."
    requires_system_checks = ()

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument("--history", metavar="APPLICATION/ENVIRONMENT", help="read what lies on a target's hosts")
        parser.add_argument("--without", metavar="HOST", action="append", default=[], help="leave this host out")
        parser.add_argument("--dry-run", action="store_true", help="show what would be made; change nothing")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            self._take_over(options)
        except CapistranoError as error:
            raise CommandError(str(error)) from error

    def _take_over(self, options: dict[str, Any]) -> None:
        target = find_target(options["history"])
        taken = taking_over.take_over(
            target, by=None, actor=operator(), without=options["without"], dry_run=options["dry_run"]
        )
        for note in taken.notes:
            self.stdout.write(f"note: {note}")
        for host, current in sorted(taken.current.items()):
            self.stdout.write(f"{host}: {current or 'nothing'} serves")
        did = "would be taken over" if options["dry_run"] else "were taken over"
        self.stdout.write(f"{taken.deploys} deploys and {taken.releases} releases {did}.")
