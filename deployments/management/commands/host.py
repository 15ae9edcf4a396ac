"""`manage.py host`: add hosts, perhaps only to look at them; look at one now; let deploys go to it."""

import argparse
from typing import Any

from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError

from deployments import observations
from deployments.models import Observation
from environments import adding_hosts, host_lines, observing, places
from environments.models import Host


class Command(BaseCommand):
    """Whoever has the command line may everything. Ends with 1 where it was refused, or a probe found trouble."""

    help = "Add hosts, look at one without writing anything there, or let deploys go to one that was only observed."
    requires_system_checks = ()

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        verbs = parser.add_subparsers(dest="verb", required=True)
        add = verbs.add_parser("add", help="add hosts to an environment")
        add.add_argument("line", nargs="+", help="user@host:port, perhaps quoted with `as NAME` or `via user@bastion`")
        add.add_argument("--environment", required=True)
        add.add_argument("--observe", action="store_true", help="only look at them: nothing is ever written there")
        add.add_argument("--root", default="", help="the folder to look in, beside those of targets")
        probe = verbs.add_parser("probe", help="look at a host now; nothing is written there")
        probe.add_argument("name")
        take_up = verbs.add_parser("take-up", help="let deploys go to a host that was only observed")
        take_up.add_argument("name")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            getattr(self, f"_{options['verb'].replace('-', '_')}")(options)
        except (adding_hosts.HostsError, host_lines.LinesWrong, observing.ObservedError, places.PlaceError) as error:
            raise CommandError(str(error)) from error
        except ValidationError as error:
            raise CommandError(" ".join(error.messages)) from error

    def _add(self, options: dict[str, Any]) -> None:
        lines = host_lines.read("\n".join(options["line"]))
        facts = {"environment": options["environment"], "observe": options["observe"], "root": options["root"]}
        for host in adding_hosts.add_hosts(lines, **facts, by=None).hosts:
            self.stdout.write(f"{host.name}{' (only observed)' if host.observed else ''}")

    def _probe(self, options: dict[str, Any]) -> None:
        rows = observations.probe(self._find(options), by=None)
        for row in rows:
            self._show(row)
        if any(trouble["level"] == "bad" for row in rows for trouble in row.troubles):
            raise CommandError(observations.tell(rows))

    def _show(self, row: Observation) -> None:
        what = row.revision or row.current or "nothing" if row.login else "not known"
        self.stdout.write(f"{row.root}: {what}")
        for word, value in row.facts.items():
            self.stdout.write(f"  {word}: {value or '-'}")
        for trouble in row.troubles:
            self.stdout.write(f"  {trouble['level']}: {trouble['what']} {trouble['means']} {trouble['do']}")

    def _take_up(self, options: dict[str, Any]) -> None:
        host = self._find(options)
        observing.take_up(host, by=None)
        self.stdout.write(f"Deploys go to {host.name} from now on.")

    def _find(self, options: dict[str, Any]) -> Host:
        found = Host.objects.select_related("zone__region__gateway").filter(name=options["name"]).first()
        if found is None:
            raise CommandError(f"There is no host {options['name']!r}.")
        return found
