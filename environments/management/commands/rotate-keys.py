"""`manage.py rotate-keys`: seals every stored secret with the first of ENCRYPTION_KEYS."""

from typing import Any

from cryptography.fernet import Fernet
from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from environments.operator import operator
from environments.resealing import reseal


class Command(BaseCommand):
    help = "Seal every stored secret with the first of ENCRYPTION_KEYS; docs/operate.md tells how keys are changed."
    requires_system_checks = ()

    def add_arguments(self, parser: Any) -> None:
        parser.add_argument("--make", action="store_true", help="only print a new key, to be put first; change nothing")

    def handle(self, *args: Any, **options: Any) -> None:
        if options["make"]:
            self.stdout.write(Fernet.generate_key().decode())
            return
        found = reseal(by=operator())
        self.stdout.write(f"{found.anew} secrets were sealed with the first key; {found.already} were so already.")
        if found.closed:
            raise CommandError(
                f"{len(found.closed)} do not open with any of the keys: {', '.join(found.closed[:20])}. "
                "They are as they were. Add the key that they were sealed with, or store them anew. Keep all keys."
            )
        others = len(settings.ENCRYPTION_KEYS) - 1
        if others:
            self.stdout.write(f"Nothing needs the {others} older key(s) any more, but backups from before do.")
