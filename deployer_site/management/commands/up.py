"""`manage.py up`: check, prepare, start everything, and end everything together."""

import argparse
import asyncio
from typing import Any

from django.core.management import CommandError
from django.core.management.base import BaseCommand

from deployer_site.console import Console
from deployer_site.lifeline import Lifeline
from deployer_site.start_checks import StartRefused
from deployer_site.starting import check, prepare, run
from deployer_site.valkey import ValkeyMissing


class Command(BaseCommand):
    help = "Start the Deployer: web, workers, Valkey and the demo. Ctrl-C ends all of it."
    # `starting.check` makes them in a process of its own.
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument("--check", action="store_true", help="only check whether it could start")

    def handle(self, *args: Any, **options: Any) -> None:
        console = Console()
        try:
            lock = check()
            if options["check"]:
                console.say("Nothing is in the way: it can start.")
                return
            plan = prepare(console)
        except (StartRefused, ValkeyMissing) as error:
            raise CommandError(f"{error} Nothing was started.") from error
        lifeline = Lifeline(lock=lock)
        try:
            asyncio.run(run(plan, console=console, lifeline=lifeline))
        finally:
            lifeline.close()
        console.say("Everything has stopped.")
