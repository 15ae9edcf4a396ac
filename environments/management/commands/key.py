"""`manage.py key`: the Deployer's own key pair, with which it signs in to hosts."""

import argparse
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from environments import keys
from environments.operator import operator


class Command(BaseCommand):
    """The public line goes to standard output, so that it can be piped into an authorized_keys."""

    help = "Make, show or upload the key pair with which the Deployer signs in to hosts."
    requires_system_checks = ()

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        verbs = parser.add_subparsers(dest="verb", required=True)
        verbs.add_parser("create", help="make a key pair, if there is none, and show its public line")
        verbs.add_parser("show", help="show the public line, for ~/.ssh/authorized_keys of the hosts")
        upload = verbs.add_parser("upload", help="use an existing private key from now on")
        upload.add_argument("file", type=Path, help="an OpenSSH private key without a passphrase")

    def handle(self, *args: Any, **options: Any) -> None:
        if options["verb"] == "upload":
            self._upload(options["file"])
        elif options["verb"] == "create":
            there = keys.active_key_pair()
            self.stderr.write("There is a key pair already." if there else "A key pair was made.")
            self.stdout.write((there or keys.ensure_key_pair()).public)
        else:
            pair = keys.active_key_pair()
            if pair is None:
                raise CommandError("The Deployer has no key pair yet. Run `manage.py key create`.")
            self.stdout.write(pair.public)

    def _upload(self, file: Path) -> None:
        try:
            private = file.read_text()
        except (OSError, UnicodeDecodeError) as error:
            raise CommandError(f"{file} cannot be read ({error}). The key pair is as it was.") from error
        try:
            pair = keys.upload_key_pair(private, by=operator())
        except keys.KeyNotUsable as error:
            raise CommandError(f"{error} The key pair is as it was.") from error
        self.stderr.write("From now on the Deployer signs in with this key. Put its line on every host.")
        self.stdout.write(pair.public)
