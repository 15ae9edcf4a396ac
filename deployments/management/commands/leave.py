"""`manage.py leave TARGET`: give a target's hosts back."""

import argparse
import sys
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from deployments.capistrano import leaving
from deployments.capistrano.refusals import CapistranoError
from environments.models import Target
from environments.operator import operator


def find_target(slug: str) -> Target:
    """`application/environment` or `application/environment/endpoint`. Raises CommandError."""
    application, _, rest = slug.partition("/")
    environment, _, name = rest.partition("/")
    rows = Target.objects.select_related("application", "environment")
    found = rows.filter(application__name=application, environment__name=environment, name=name).first()
    if found is None:
        known = ", ".join(sorted(target.slug for target in rows)) or "none yet"
        raise CommandError(f"There is no target {slug!r}. There are: {known}.")
    return found


class Command(BaseCommand):
    """Exit code 1: some host was not left; the same again finishes it."""

    help = "Remove what the Deployer keeps on a target's hosts, so that Capistrano deploys there as before."
    requires_system_checks = ()

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument("target", metavar="APPLICATION/ENVIRONMENT")
        parser.add_argument("--yes", action="store_true", help="do not ask")
        parser.add_argument("--return", dest="back", action="store_true", help="take the hosts up again instead")

    def handle(self, *args: Any, **options: Any) -> None:
        target = find_target(options["target"])
        if options["back"]:
            self._return(target)
            return
        hosts = leaving.hosts_of(target)
        self.stdout.write(
            f"{target.slug} will be left on {len(hosts)} hosts: {target.root}/.deployer is removed there, releases get "
            "names of 14 digits, and nothing is deployed from here any more. What serves goes on serving."
        )
        if not options["yes"] and not self._agrees(target):
            raise CommandError("Nothing was changed.")
        try:
            results = leaving.leave(target, by=None, actor=operator())
        except CapistranoError as error:
            raise CommandError(str(error)) from error
        for result in results:
            for text in result.done:
                self.stdout.write(f"{result.host}: {text}")
        failed = [result for result in results if result.failed]
        if failed:
            lines = "\n".join(result.failed for result in failed)
            raise CommandError(f"{lines}\n{len(failed)} of {len(results)} hosts were not left. Run this again.")
        self.stdout.write(f"{target.slug} was left. `manage.py leave {target.slug} --return` takes it up again.")

    def _agrees(self, target: Target) -> bool:
        if not sys.stdin.isatty():
            raise CommandError("Nothing was changed. Say --yes to leave without being asked.")
        return input(f"Type {target.slug} to go on: ").strip() == target.slug

    def _return(self, target: Target) -> None:
        if not leaving.take_up(target, by=None, actor=operator()):
            raise CommandError(f"{target.slug} has not been left.")
        self.stdout.write(
            f"{target.slug} may be deployed again. Its hosts begin anew: the first deploy lays everything out."
        )
