"""`manage.py export`: what is set up, as a file."""

import argparse
from typing import Any

from django.core.management.base import BaseCommand

from deployments.written.export import export
from deployments.written.sections import SECTIONS


class Command(BaseCommand):
    help = "Write down what is set up: applications, targets, hosts, roles and more. Secrets are left out."
    requires_system_checks = ()

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        names = [section.name for section in SECTIONS]
        parser.add_argument("sections", nargs="*", metavar="SECTION", help=f"only these of {', '.join(names)}")

    def handle(self, *args: Any, **options: Any) -> None:
        known = [section.name for section in SECTIONS]
        for name in options["sections"]:
            if name not in known:
                self.stderr.write(f"There is no section {name}. Sections are {', '.join(known)}.")
                raise SystemExit(2)
        self.stdout.write(export(options["sections"]), ending="")
