"""`manage.py plan FILE`: what applying a written set-up would change."""

import argparse
import sys
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from deployments.written import planning, telling
from deployments.written.errors import WrittenError
from deployments.written.planning import File

CHANGES = 3


def add_file(parser: argparse.ArgumentParser) -> None:
    """What `plan` and `apply` are told."""
    parser.add_argument("file", metavar="FILE", help="- for what is piped")
    parser.add_argument(
        "--remove",
        action="store_true",
        help="take away what the file's sections do not name; targets and hosts are never",
    )


def read_file(name: str) -> File:
    """Raises CommandError."""
    try:
        text = sys.stdin.read() if name == "-" else Path(name).read_text("utf-8")
        return planning.read(text)
    except WrittenError as error:
        raise CommandError(f"{name}, {error}") from error
    except OSError as error:
        raise CommandError(f"{name} cannot be read: {error.strerror}. Nothing was changed.") from None
    except UnicodeDecodeError:
        raise CommandError(f"{name} is no UTF-8 text. Nothing was changed.") from None


class Command(BaseCommand):
    """Exit code 0: nothing to change; 3: something; 1: the file is wrong."""

    help = "Say what applying a written set-up would change; change nothing. Ends with 3 when something would change."
    requires_system_checks = ()

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        add_file(parser)

    def handle(self, *args: Any, **options: Any) -> None:
        file = read_file(options["file"])
        try:
            found = planning.plan(file, remove=options["remove"])
        except WrittenError as error:
            raise CommandError(f"{options['file']}, {error}") from error
        for line in telling.lines(found):
            self.stdout.write(line)
        if found.changes:
            raise SystemExit(CHANGES)
