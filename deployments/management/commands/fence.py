"""`manage.py fence APPLICATION/ENVIRONMENT --to N`: hosts that know a newer past are deployed to again."""

import argparse
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from deployments import fences
from environments.models import Target
from environments.operator import operator


class Command(BaseCommand):
    """Without `--to` it only tells."""

    help = "Show a target's fence, or raise it to what its hosts have seen (after a restored backup)."
    requires_system_checks = ()

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument("target", help="APPLICATION/ENVIRONMENT")
        parser.add_argument("--to", type=int, help="the highest fence that a host says it has seen")

    def handle(self, *args: Any, **options: Any) -> None:
        application, _, rest = options["target"].partition("/")
        environment, _, name = rest.partition("/")
        found = Target.objects.select_related("application", "environment")
        target = found.filter(application__name=application, environment__name=environment, name=name).first()
        if target is None:
            raise CommandError(f"There is no target {options['target']!r}. Nothing was changed.")
        if options["to"] is not None:
            try:
                fences.raise_to(target, options["to"], by=None, actor=operator())
            except fences.FenceTooLow as error:
                raise CommandError(str(error)) from error
        self.stdout.write(f"The fence of {target.slug} is {target.fence}; the next deploy takes a higher one.")
