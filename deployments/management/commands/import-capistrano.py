"""`manage.py import-capistrano`: targets from Capistrano's configuration, and its history from the hosts."""

import argparse
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from deployments.capistrano import configuration, making, taking_over, translation
from deployments.capistrano.refusals import CapistranoError, HasHistory, HostsSilent
from deployments.capistrano.translation import Plan
from deployments.management.commands.leave import find_target
from environments.models import HostKey, Membership, Target
from environments.operator import operator
from environments.ssh import authorities

HELP = """Take over what Capistrano did. Its configuration is read, never executed, and becomes targets; its folders on
hosts are read, never written, and become their history. Run it again when the hosts' keys are accepted."""


class Command(BaseCommand):
    """Exit code 1: something stands in the way, and was named."""

    help = HELP
    requires_system_checks = ()

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument("capfile", nargs="?", type=Path, metavar="CAPFILE")
        parser.add_argument("--stage", action="append", default=[], help="only this stage; may be given again")
        parser.add_argument(
            "--set",
            action="append",
            default=[],
            metavar="NAME=VALUE",
            help="a setting that only a run tells",
        )
        parser.add_argument("--history", metavar="APPLICATION/ENVIRONMENT", help="read what lies on a target's hosts")
        parser.add_argument("--without", metavar="HOST", action="append", default=[], help="leave its history out")
        parser.add_argument("--dry-run", action="store_true", help="show what would be made; change nothing")

    def handle(self, *args: Any, **options: Any) -> None:
        if (options["capfile"] is None) == (options["history"] is None):
            raise CommandError("Name a Capfile, or --history APPLICATION/ENVIRONMENT.")
        try:
            if options["history"]:
                self._take_over(find_target(options["history"]), options)
            else:
                self._import(options)
        except CapistranoError as error:
            raise CommandError(str(error)) from error

    def _import(self, options: dict[str, Any]) -> None:
        capfile, fixed = options["capfile"], _fixed(options["set"])
        known = configuration.stages(capfile)
        unknown = sorted(set(options["stage"]) - set(known))
        if unknown:
            raise CommandError(f"There is no stage {', '.join(unknown)}. There are: {', '.join(known)}.")
        chosen = options["stage"] or known
        plans = [translation.translate(configuration.read_stage(capfile, stage, fixed)) for stage in chosen]
        for plan in plans:
            self._show(plan)
        problems = sum(len(plan.problems) for plan in plans)
        if problems:
            raise CommandError(f"Nothing was made: {problems} things must be said or changed first; see above.")
        if options["dry_run"]:
            self.stdout.write("\nNothing was made; this was a dry run.")
            return
        for plan in plans:
            self._make(plan, options)

    def _show(self, plan: Plan) -> None:
        self.stdout.write(f"\n{plan.slug}: {plan.repository}, branch {plan.branch}")
        self.stdout.write(f"  folder {plan.root}, user {plan.user}, keeps {plan.keep} releases")
        for word, paths in (("folders", plan.linked_dirs), ("files", plan.linked_files), ("PATH", plan.path_prepend)):
            if paths:
                self.stdout.write(f"  {'in ' if word == 'PATH' else 'linked '}{word}: {', '.join(paths)}")
        for host in plan.hosts:
            port = "" if host.port == 22 else f" port {host.port}"
            self.stdout.write(f"  host {host.name}: {host.address}{port} {' '.join(host.roles)}".rstrip())
        for word, found in (("must be solved", plan.problems), ("not translated", plan.findings)):
            for finding in found:
                self.stdout.write(f"  {word}: {finding.at + ': ' if finding.at else ''}{finding.text}")

    def _make(self, plan: Plan, options: dict[str, Any]) -> None:
        made = making.make(plan, by=None, actor=operator())
        target = made.target
        self.stdout.write(f"\n{target.slug}: made {', '.join(made.made) or 'nothing new'}")
        if made.kept:
            self.stdout.write(f"  was there, and stays as it is: {', '.join(made.kept)}")
        if target.application.default_branch != plan.branch:
            self.stdout.write(f"  this stage deploys {plan.branch}; choose it with each deploy")
        untrusted = _untrusted(target)
        if untrusted:
            self.stdout.write("  Now let the Deployer in: `manage.py key show` is its line for authorized_keys. Then:")
            for name in untrusted:
                self.stdout.write(f"    manage.py hostkey scan {name}")
            self.stdout.write(f"    manage.py import-capistrano --history {target.slug}")
            return
        try:
            self._take_over(target, options)
        except (HasHistory, HostsSilent) as error:
            self.stdout.write(f"  {error}")

    def _take_over(self, target: Target, options: dict[str, Any]) -> None:
        taken = taking_over.take_over(
            target, by=None, actor=operator(), without=options["without"], dry_run=options["dry_run"]
        )
        for note in taken.notes:
            self.stdout.write(f"  note: {note}")
        for host, current in sorted(taken.current.items()):
            self.stdout.write(f"  {host}: {current or 'nothing'} serves")
        did = "would be taken over" if options["dry_run"] else "were taken over"
        self.stdout.write(f"  {taken.deploys} deploys and {taken.releases} releases of {target.slug} {did}.")


def _fixed(given: list[str]) -> dict[str, str]:
    found = {}
    for one in given:
        name, sign, value = one.partition("=")
        if not sign or not name.strip():
            raise CommandError(f"--set {one!r}: write NAME=VALUE, as --set deploy_to=/srv/shop.")
        found[name.strip()] = value
    return found


def _untrusted(target: Target) -> list[str]:
    """Hosts of which no key is accepted yet, and for which no authority speaks."""
    trusted = HostKey.objects.values("host")
    rows = Membership.objects.filter(environment=target.environment).exclude(host__in=trusted).select_related("host")
    return [row.host.name for row in rows.order_by("host__name") if not authorities.covers(row.host)]
