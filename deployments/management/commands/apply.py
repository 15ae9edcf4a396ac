"""`manage.py apply FILE`: make what is set up as a file says."""

import argparse
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from deployments.management.commands.plan import add_file, read_file
from deployments.written import applying, telling
from deployments.written.errors import WrittenError
from environments.models import User


class Command(BaseCommand):
    """Exit code 1: the file is wrong, or a change was refused; then nothing was changed."""

    help = "Make what is set up as a file says: all of it, or nothing. A second time changes nothing."
    requires_system_checks = ()

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        add_file(parser)
        parser.add_argument("--as", dest="person", metavar="USERNAME", help="act as this person, with their rights")

    def handle(self, *args: Any, **options: Any) -> None:
        by = None
        if options["person"]:
            by = User.objects.filter(username=options["person"], is_active=True).first()
            if by is None:
                raise CommandError(f"Nobody who may come in is called {options['person']!r}. Nothing was changed.")
        file = read_file(options["file"])
        try:
            done = applying.apply(file, remove=options["remove"], by=by)
        except WrittenError as error:
            raise CommandError(f"{options['file']}, {error}") from error
        for line in telling.lines(done):
            self.stdout.write(line)
        if done.changes:
            self.stdout.write("Done.")
