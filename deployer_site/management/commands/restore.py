"""`manage.py restore FILE`."""

import argparse
import os
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError

from deployer_site.backups import BackupError, restore_backup
from deployer_site.start_checks import StartRefused, prepare_folder, take_lock


class Command(BaseCommand):
    help = "Bring back what `manage.py backup` wrote. Nothing may run; no deploy starts by itself afterwards."

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument("file", type=Path)
        parser.add_argument("--force", action="store_true", help="replace what is here already")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            prepare_folder(settings.VAR)
            lock = take_lock(settings.VAR)
            try:
                call_command("migrate", interactive=False, verbosity=0, skip_checks=True)
                restored = restore_backup(options["file"], force=options["force"])
            finally:
                os.close(lock)
        except (StartRefused, BackupError) as error:
            raise CommandError(f"{error} Nothing was changed.") from error
        self.stdout.write(
            f"{restored.rows} rows and the keys are back. {restored.held} deploys that waited or ran then are held: "
            "look at each. Start with `make up`."
        )
