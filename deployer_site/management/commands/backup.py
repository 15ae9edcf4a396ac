"""`manage.py backup FILE`."""

import argparse
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from deployer_site.backups import BackupError, write_backup


class Command(BaseCommand):
    help = "Write everything that cannot be made again into one file, which only you may read: it holds all keys."

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument("file", type=Path)

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            rows = write_backup(options["file"])
        except BackupError as error:
            raise CommandError(f"{error} Nothing was written.") from error
        self.stdout.write(f"{options['file']} holds {rows} rows and the keys. Keep it as you keep passwords.")
