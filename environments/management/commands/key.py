"""`manage.py key`: the Deployer's own key pair, with which it signs in to hosts."""

import argparse
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from environments import keys, signing
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
        signer = verbs.add_parser("signer", help="have a command sign it; without arguments, tell how that goes")
        signer.add_argument("command_line", nargs="?", default="", help="program and arguments, in quotes")
        signer.add_argument("--principal", default="deploy", help="whom hosts let in by the certificate")
        signer.add_argument("--minutes", type=int, default=60, help="for how long a certificate is wanted")
        verbs.add_parser("renew", help="have it signed now")
        verbs.add_parser("unsign", help="have it signed no more")

    def handle(self, *args: Any, **options: Any) -> None:
        if options["verb"] in ("signer", "renew", "unsign"):
            self._sign(options)
        elif options["verb"] == "upload":
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

    def _sign(self, options: dict[str, Any]) -> None:
        try:
            if options["verb"] == "unsign":
                return signing.remove(by=None)
            if options["verb"] == "renew":
                signing.renew(by=None)
            elif command := options["command_line"]:
                signing.set_signer(command, principal=options["principal"], minutes=options["minutes"], by=None)
        except signing.SignerError as error:
            raise CommandError(str(error)) from error
        row = signing.current()
        if row is None:
            raise CommandError("No command signs the Deployer's key.")
        self.stdout.write(
            f"{row.command} signs for {row.principal}; the certificate ends {row.ends_at:%Y-%m-%d %H:%M} UTC."
        )
        if row.trouble:
            raise CommandError(f"It was not renewed: {row.trouble}")
        return None

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
