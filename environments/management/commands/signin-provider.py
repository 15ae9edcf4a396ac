"""`manage.py signin-provider`: sign-in providers from a shell, and the way out when nobody can sign in any more."""

import argparse
import dataclasses
import sys
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from environments.models import GroupMapping, LetsIn, SignInProvider, Team
from environments.providers import flow, keeping, passwords, testing
from environments.providers.errors import ProviderError
from environments.providers.keeping import Plan
from environments.sealed import CannotOpen

_TEXTS = ("title", "issuer", "client_id", "scopes", "groups_claim", "domains", "second_factors")


class Command(BaseCommand):
    """Whoever has a shell on the machine may: it is how to come in again when a provider locks everyone out."""

    help = "Set up, test, switch off or remove sign-in providers (OpenID Connect), and say whom passwords let in."
    requires_system_checks = ()

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        acts = parser.add_subparsers(dest="act", required=True, metavar="ACT")
        acts.add_parser("list", help="all of them, and what their groups mean")
        given = acts.add_parser("set", help="set one up, or change what is named")
        given.add_argument("name")
        for text in _TEXTS:
            given.add_argument(f"--{text.replace('_', '-')}")
        given.add_argument("--secret-file", help="a file with the client's secret; - reads it from standard input")
        given.add_argument("--authorities-file", help="PEM of who vouches for its certificate")
        given.add_argument("--lets-in", choices=LetsIn.values)
        given.add_argument("--links-by-mail", action=argparse.BooleanOptionalAction, default=None)
        for act, words in (
            ("test", "ask it now; 1 when something is wrong"),
            ("enable", "let people sign in by it"),
            ("disable", "nobody signs in by it; who is here stays what they are"),
            ("remove", "with what its groups gave"),
        ):
            acts.add_parser(act, help=words).add_argument("name")
        for act, words in (("map", "let a group mean something"), ("unmap", "let it mean that no more")):
            mapped = acts.add_parser(act, help=words)
            mapped.add_argument("name")
            mapped.add_argument("group")
            mapped.add_argument("meaning", help="team:NAME, or role:ROLE everywhere")
        whom = acts.add_parser("passwords", help="whom passwords let in")
        whom.add_argument("whom", choices=("everyone", "administrators"))

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            told = getattr(self, f"_{options['act']}")(options)
        except (ProviderError, CannotOpen) as error:
            raise CommandError(str(error)) from error
        self.stdout.write(told)

    def _list(self, _options: dict[str, Any]) -> str:
        lines = [f"Passwords let {'everyone' if passwords.are_for_all() else 'administrators alone'} in."]
        for row in SignInProvider.objects.all():
            state = "" if row.enabled else ", switched off"
            lines.append(f"{row.name}: {row.title}, {row.issuer}{state}{f'; {row.trouble}' if row.trouble else ''}")
            meanings = GroupMapping.objects.filter(provider=row).select_related("team")
            lines += [f"    {one.group} means {keeping.meaning_of(one)}" for one in meanings]
        return "\n".join(lines)

    def _set(self, options: dict[str, Any]) -> str:
        found = SignInProvider.objects.filter(name=options["name"]).first()
        said = {name: options[name] for name in (*_TEXTS, "lets_in", "links_by_mail") if options[name] is not None}
        if options["authorities_file"]:
            said["authorities"] = _read(options["authorities_file"])
        if options["secret_file"]:
            said["secret"] = _read(options["secret_file"]).strip()
        if found is None:
            found = keeping.add(Plan(name=options["name"], **said), by=None)
        else:
            keeping.change(found, dataclasses.replace(keeping.plan_of(found), **said), by=None)
        return f"{found.title} is saved. Where it sends people back to, write down there: {flow.address_of(found)}"

    def _test(self, options: dict[str, Any]) -> str:
        found = testing.try_out(keeping.find(options["name"]), by=None)
        lines = "\n".join(f"{one.tone:>4}  {one.words}" for one in found)
        if any(one.tone == "bad" for one in found):
            raise CommandError(lines, returncode=1)
        return lines

    def _enable(self, options: dict[str, Any]) -> str:
        return self._switch(options["name"], enabled=True)

    def _disable(self, options: dict[str, Any]) -> str:
        return self._switch(options["name"], enabled=False)

    def _switch(self, name: str, *, enabled: bool) -> str:
        found = keeping.find(name)
        keeping.change(found, dataclasses.replace(keeping.plan_of(found), enabled=enabled), by=None)
        return f"{found.title} is switched {'on' if enabled else 'off'}."

    def _remove(self, options: dict[str, Any]) -> str:
        found = keeping.find(options["name"])
        keeping.remove(found, by=None)
        return f"{found.title} is removed. Who came in by it stays, without what its groups gave."

    def _map(self, options: dict[str, Any]) -> str:
        team, role = _meaning(options["meaning"])
        made = keeping.map_group(keeping.find(options["name"]), options["group"], team=team, role=role, by=None)
        return f"{made.group} means {keeping.meaning_of(made)} from now on."

    def _unmap(self, options: dict[str, Any]) -> str:
        provider = keeping.find(options["name"])
        team, role = _meaning(options["meaning"])
        row = GroupMapping.objects.filter(provider=provider, group=options["group"], team=team, role=role).first()
        keeping.unmap_group(provider, row.pk if row else 0, by=None)
        return f"{options['group']} means that no more, and what only it gave is taken."

    def _passwords(self, options: dict[str, Any]) -> str:
        passwords.set_for_all(options["whom"] == "everyone", by=None)
        return f"Passwords let {'everyone' if options['whom'] == 'everyone' else 'administrators alone'} in."


def _read(path: str) -> str:
    try:
        return sys.stdin.read() if path == "-" else Path(path).read_text()
    except (OSError, UnicodeDecodeError) as error:
        raise CommandError(f"{path} cannot be read ({error}). Nothing was changed.") from error


def _meaning(text: str) -> tuple[Team | None, str]:
    kind, _, word = text.partition(":")
    team = Team.objects.filter(name=word).first() if kind == "team" else None
    if team is None and kind != "role":
        raise CommandError(f"{text!r} is no team:NAME of a team that there is, and no role:ROLE. Nothing was changed.")
    return team, word if kind == "role" else ""
