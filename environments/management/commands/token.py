"""`manage.py token USERNAME`: a bearer token for the API."""

import argparse
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from environments import tokens
from environments.models import Application, User
from environments.operator import operator


class Command(BaseCommand):
    """Shows the token once; only its hash is kept."""

    help = "Make a bearer token of a user. It is the last word that is printed, and is never shown again."
    requires_system_checks = ()

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument("username")
        parser.add_argument("--machine", action="store_true", help="deploys by this token count as automatic (CI)")

        parser.add_argument(
            "--scope",
            default="admin",
            help="what it is for: read, deploy, lock, by commas; admin: all that its user may",
        )
        parser.add_argument("--application", help="only in this application")
        parser.add_argument("--days", type=int, help="how long it opens doors; without it until it is revoked")

    def handle(self, *args: Any, **options: Any) -> None:
        user = User.objects.filter(username=options["username"]).first()
        if user is None:
            raise CommandError(
                f"There is no user {options['username']!r}. No token was made. "
                "Add them in /admin/ under Users; a machine needs a user of its own too."
            )
        try:
            plain = tokens.create(
                user=user,
                machine=options["machine"],
                by=operator(),
                scope=tokens.read_scopes(options["scope"].split(",")),
                application=_application(options["application"]),
                expires_at=tokens.end_after(options["days"]),
            )
        except (tokens.UserDisabled, tokens.WrongScope, tokens.WrongDays) as error:
            raise CommandError(str(error)) from error
        kind = "machine's token" if options["machine"] else "token"
        self.stdout.write(f"A {kind} of {user.username} ({user.role}); keep it, it is not shown again:\n{plain}")


def _application(name: str | None) -> Application | None:
    found = Application.objects.filter(name=name).first() if name else None
    if name and found is None:
        raise CommandError(f"There is no application {name!r}. No token was made.")
    return found
