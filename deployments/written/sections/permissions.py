"""Teams, what everyone may, and who was given which role where; by people's names."""

from collections.abc import Mapping
from typing import Any

from deployments.marked_values import items
from deployments.marked_yaml import Node
from deployments.written import fields
from deployments.written.fields import read_entry
from deployments.written.section import Entry, Given, Section
from deployments.written.sections.people import find_person
from environments import granting, rights, teams
from environments.models import Application, DefaultRoles, Environment, Grant, Team, User


class Teams(Section):
    name = "teams"
    models = (Team,)
    fields = {"members": fields.texts()}

    def now(self) -> dict[str, Entry]:
        rows = Team.objects.prefetch_related("members").order_by("name")
        return {row.name: {"members": sorted(person.username for person in row.members.all())} for row in rows}

    def write(self, key: str, entry: Entry, before: Entry | None, by: User | None) -> None:
        team = teams.make(key, by=by) if before is None else Team.objects.get(name=key)
        there = before["members"] if before else []
        for name in entry["members"]:
            if name not in there:
                teams.add_member(team, find_person(name), by=by)
        for person in team.members.exclude(username__in=entry["members"]):
            teams.remove_member(team, person, by=by)

    def remove(self, key: str, by: User | None) -> None:
        teams.remove(Team.objects.get(name=key), by=by)

    def complete(self, entry: Entry, before: Entry | None) -> Entry:
        return {"members": sorted(super().complete(entry, before)["members"])}


class Everyone(Section):
    """What everyone who is signed in may: one entry."""

    name = "everyone"
    models = (DefaultRoles,)
    fields = {"unprotected": fields.text(), "protected": fields.text()}

    def now(self) -> dict[str, Entry]:
        everyone = rights.everyone()
        return {"": {"unprotected": everyone.unprotected, "protected": everyone.protected}}

    def read(self, node: Node) -> dict[str, Given]:
        return {"": Given(read_entry(node, self.fields), node)}

    def write(self, key: str, entry: Entry, before: Entry | None, by: User | None) -> None:
        granting.set_everyones(unprotected=entry["unprotected"], protected=entry["protected"], by=by)

    def written(self, entries: Mapping[str, Entry]) -> Any:
        return entries[""]


_GRANT = {name: fields.text() for name in ("person", "team", "role", "application", "environment")}


class Grants(Section):
    """A list: each holder and place stands there once."""

    name = "grants"
    models = (Grant,)
    fields = _GRANT

    def now(self) -> dict[str, Entry]:
        found = {}
        rows = Grant.objects.exclude(person__hook=True)  # those go with a source of hooks, which is in no file
        for row in rows.select_related("person", "team", "application", "environment"):
            entry = {
                "person": row.person.username if row.person else "",
                "team": row.team.name if row.team else "",
                "role": row.role,
                "application": row.application.name if row.application else "",
                "environment": row.environment.name if row.environment else "",
            }
            found[_key(entry)] = entry
        return dict(sorted(found.items()))

    def read(self, node: Node) -> dict[str, Given]:
        found: dict[str, Given] = {}
        for item in items(node):
            entry = dict.fromkeys(_GRANT, "") | read_entry(item, _GRANT)
            if bool(entry["person"]) == bool(entry["team"]) or not entry["role"]:
                raise item.problem("A grant needs a role, and either a person or a team.")
            key = _key(entry)
            if key in found:
                raise item.problem(f"This stands here twice; first in line {found[key].node.line}.")
            found[key] = Given(entry, item)
        return found

    def write(self, key: str, entry: Entry, before: Entry | None, by: User | None) -> None:
        application, environment = _place(entry)
        granting.give(_holder(entry), entry["role"], application=application, environment=environment, by=by)

    def remove(self, key: str, by: User | None) -> None:
        rows = Grant.objects.select_related("person", "team", "application", "environment")
        entry = self.now()[key]
        application, environment = _place(entry)
        named = {"person__username": entry["person"]} if entry["person"] else {"team__name": entry["team"]}
        granting.take_away(rows.get(application=application, environment=environment, **named), by=by)

    def written(self, entries: Mapping[str, Entry]) -> Any:
        return [self.shortened(entry) for entry in entries.values()]


def _key(entry: Entry) -> str:
    """`team payments in shop/staging`."""
    holder = f"person {entry['person']}" if entry["person"] else f"team {entry['team']}"
    place = "/".join(filter(None, (entry["application"] or "*", entry["environment"] or "*")))
    return f"{holder} in {place}"


def _holder(entry: Entry) -> User | Team:
    if entry["person"]:
        return find_person(entry["person"])
    found = Team.objects.filter(name=entry["team"]).first()
    if found is None:
        raise teams.WrongName(f"There is no team {entry['team']}. Nothing was changed.")
    return found


def _place(entry: Entry) -> tuple[Application | None, Environment | None]:
    application = Application.objects.filter(name=entry["application"]).first()
    environment = Environment.objects.filter(name=entry["environment"]).first()
    for what, found in (("application", application), ("environment", environment)):
        if entry[what] and found is None:
            raise granting.WrongRole(f"There is no {what} {entry[what]} to give a role in. Nothing was changed.")
    return application, environment
