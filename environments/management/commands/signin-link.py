"""`manage.py signin-link [USERNAME]`: a one-time link for a new administrator, or for somebody's new password."""

import argparse
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.urls import reverse

from environments import people, signin_links
from environments.models import User
from environments.operator import operator


class Command(BaseCommand):
    """The link is the last word that is printed; it is never shown again."""

    help = "Make a link that is used once: it makes an administrator, or lets USERNAME choose a new password."
    requires_system_checks = ()

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument("username", nargs="?", default="", help="whose password; without it: a new administrator")

    def handle(self, *args: Any, **options: Any) -> None:
        username = options["username"]
        if not username:
            link = signin_links.make(by=operator())
            self.stdout.write(f"This link makes a new administrator. It works once, within 24 hours:\n{link}")
            return
        person = User.objects.filter(username=username).first()
        if person is None:
            raise CommandError(f"There is no user {username!r}. No link was made.")
        try:
            words = people.link_of(person, by=None)
        except people.PeopleError as error:
            raise CommandError(str(error)) from error
        address = settings.BASE_URL + reverse("join", args=words)
        self.stdout.write(f"This link lets {username} choose a new password. It works once:\n{address}")
