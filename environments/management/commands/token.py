"""`manage.py token USERNAME`: a bearer token for the API."""

import argparse
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from environments import tokens
from environments.models import User
from environments.operator import operator


class Command(BaseCommand):
    """Shows the token once; only its hash is kept."""

    help = "Make a bearer token of a user. It is the last word that is printed, and is never shown again."
    requires_system_checks = ()

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument("username")
        parser.add_argument("--machine", action="store_true", help="deploys by this token count as automatic (CI)")

    def handle(self, *args: Any, **options: Any) -> None:
        user = User.objects.filter(username=options["username"]).first()
        if user is None:
            raise CommandError(
                f"There is no user {options['username']!r}. No token was made. "
                "Add them in /admin/ under Users; a machine needs a user of its own too."
            )
        try:
            plain = tokens.create(user=user, machine=options["machine"], by=operator())
        except tokens.UserDisabled as error:
            raise CommandError(str(error)) from error
        kind = "machine's token" if options["machine"] else "token"
        self.stdout.write(f"A {kind} of {user.username} ({user.role}); keep it, it is not shown again:\n{plain}")
