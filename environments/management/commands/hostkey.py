"""`manage.py hostkey`: see which keys a host shows, and say which one to trust; or which authority that signs keys."""

import argparse
import sys
from collections.abc import Callable
from typing import Any

from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError

from environments import host_authorities, host_keys, ssh
from environments.models import GitHostKey, Host, HostAuthority, HostKey
from environments.operator import operator
from environments.ssh import ScannedKey
from environments.validation import validate_address

Accept = Callable[[ScannedKey, str], object]


class Command(BaseCommand):
    """Compare the fingerprint with what the machine itself says before you accept it."""

    help = "Scan the keys that a host or git host shows, and accept one."
    requires_system_checks = ()

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        verbs = parser.add_subparsers(dest="verb", required=True)
        scan = verbs.add_parser("scan", help="show the keys, and ask which to trust")
        scan.add_argument("name", nargs="?", help="a host of the Deployer")
        scan.add_argument("--address", help="a machine that is no host of the Deployer yet (only shows its keys)")
        scan.add_argument("--port", type=int, default=22)
        scan.add_argument("--git", metavar="HOST", help="a git host: host, or [host]:port")
        scan.add_argument("--accept", metavar="FINGERPRINT", default="", help="accept this key without asking")
        scan.add_argument("--replace", metavar="FINGERPRINT", default="", help="instead of this trusted key")
        verbs.add_parser("authorities", help="list the authorities whose signatures under host keys are trusted")
        trust = verbs.add_parser("trust-authority", help="trust certificates of hosts that an authority has signed")
        trust.add_argument("line", help="as in known_hosts: @cert-authority *.example.com ssh-ed25519 AAAA…")
        distrust = verbs.add_parser("distrust-authority", help="what it signed counts for nothing any more")
        distrust.add_argument("fingerprint")

    def handle(self, *args: Any, **options: Any) -> None:
        if options["verb"] != "scan":
            return self._authorities(options)
        return self._scan(options)

    def _authorities(self, options: dict[str, Any]) -> None:
        try:
            if options["verb"] == "trust-authority":
                host_authorities.trust(options["line"], by=None)
            elif options["verb"] == "distrust-authority":
                found = [
                    row for row in HostAuthority.objects.all() if ssh.fingerprint(row.key) == options["fingerprint"]
                ]
                if not found:
                    raise CommandError(f"No authority with the fingerprint {options['fingerprint']} is trusted.")
                for row in found:
                    host_authorities.distrust(row, by=None)
        except host_authorities.AuthorityError as error:
            raise CommandError(str(error)) from error
        for row in HostAuthority.objects.all():
            self.stdout.write(f"{row.patterns} {row.algorithm} {ssh.fingerprint(row.key)}")

    def _scan(self, options: dict[str, Any]) -> None:
        if sum(bool(options[way]) for way in ("name", "address", "git")) != 1:
            raise CommandError("Say what to scan: NAME, or --address ADDRESS [--port PORT], or --git HOST.")
        try:
            if options["name"]:
                self._host(options)
            elif options["git"]:
                self._git_host(options)
            else:
                self._address(options)
        except (ssh.SSHError, host_keys.HostKeyError) as error:
            raise CommandError(str(error)) from error
        except ValidationError as error:
            raise CommandError(error.messages[0]) from error

    def _host(self, options: dict[str, Any]) -> None:
        host = Host.objects.filter(name=options["name"]).first()
        if host is None:
            raise CommandError(f"There is no host {options['name']!r}.")
        trusted = set(HostKey.objects.filter(host=host).values_list("key", flat=True))

        def accept(key: ScannedKey, replace: str) -> object:
            return host_keys.accept(host=host, key=key, by=operator(), replace=replace)

        self._decide(host.name, ssh.scan_host(host), trusted, accept, options)

    def _git_host(self, options: dict[str, Any]) -> None:
        host = host_keys.read_git_host(options["git"])
        trusted = set(GitHostKey.objects.filter(host=host.name).values_list("key", flat=True))

        def accept(key: ScannedKey, replace: str) -> object:
            return host_keys.accept_git(host=host, key=key, by=operator(), replace=replace)

        self._decide(host.name, ssh.scan(host.address, host.port), trusted, accept, options)

    def _address(self, options: dict[str, Any]) -> None:
        validate_address(options["address"])
        if options["accept"]:
            raise CommandError("Only a key of a host can be accepted. Add the host first, then scan it by its name.")
        self._show(ssh.scan(options["address"], options["port"]), set())

    def _decide(
        self, name: str, shown: list[ScannedKey], trusted: set[str], accept: Accept, options: dict[str, Any]
    ) -> None:
        self._show(shown, trusted)
        if options["accept"]:
            chosen = [host_keys.choose(shown, options["accept"])]
        elif sys.stdin.isatty():
            chosen = [key for key in shown if key.key not in trusted and self._asks(key)]
        else:
            self.stdout.write("Nothing was accepted. Say which one with --accept FINGERPRINT.")
            return
        for key in chosen:
            accept(key, options["replace"])
            self.stdout.write(f"{name} is trusted by {key.algorithm} {key.fingerprint}.")

    def _show(self, shown: list[ScannedKey], trusted: set[str]) -> None:
        for key in shown:
            self.stdout.write(f"{key.algorithm} {key.fingerprint}{' (trusted)' if key.key in trusted else ''}")

    def _asks(self, key: ScannedKey) -> bool:
        return input(f"{key.algorithm} {key.fingerprint}: accept? [y/N] ").strip().lower() in {"y", "yes"}
