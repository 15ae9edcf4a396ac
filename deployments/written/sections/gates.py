"""What deploys wait for: who approves them, what may go out by itself, and times in which nothing new does."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from django.utils import timezone

from deployments import marked_values
from deployments.marked_values import items
from deployments.marked_yaml import Node
from deployments.written import fields
from deployments.written.fields import Field, read_entry
from deployments.written.section import Entry, Given, Section
from environments import approval_rules, locks, policies, windows
from environments.models import Asked, Freeze, Policy, Target, Team, User


def _read_time(node: Node) -> str:
    """A time with its distance from UTC, as it is then compared."""
    text = marked_values.text(node, "")
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        raise node.problem(f"{text[:40]!r} is no time; write it as '2026-12-20T00:00:00+00:00'.") from None
    if at.tzinfo is None:
        raise node.problem(f"{text[:40]!r} could be in any zone; end it with its distance from UTC, as +00:00.")
    return at.astimezone(UTC).isoformat()


class Approvals(Section):
    """Who approves deploys to a target."""

    name = "approvals"
    fields = {
        "number": fields.number(0, approval_rules.MOST, 0),
        "team": fields.text(),
        "hours": fields.number(1, approval_rules.LONGEST_HOURS, 24),
    }

    def now(self) -> dict[str, Entry]:
        rows = Target.objects.filter(name="").exclude(approvals=0)
        return {
            row.slug: {"number": row.approvals, "team": str(row.approvers or ""), "hours": row.approval_hours}
            for row in rows.select_related("application", "environment", "approvers")
        }

    def write(self, key: str, entry: Entry, before: Entry | None, by: User | None) -> None:
        target, team = _find_target(key), Team.objects.filter(name=entry["team"]).first()
        approval_rules.set_approvals(target, number=entry["number"], team=team, hours=entry["hours"], by=by)

    def remove(self, key: str, by: User | None) -> None:
        target = _find_target(key)
        approval_rules.set_approvals(target, number=0, team=None, hours=target.approval_hours, by=by)


class Policies(Section):
    """Which commits a machine may deploy to a target by itself."""

    name = "policies"
    models = (Policy,)
    fields = {
        "automatic": fields.truth(),
        "refs": fields.texts(),
        "checks": fields.text(Asked.ALL.value),
        "names": fields.texts(),
        "contains_live": fields.truth(),
        "contains_main": fields.truth(),
        "skip_words": fields.texts(),
        "paths": fields.texts(),
    }

    def now(self) -> dict[str, Entry]:
        rows = Policy.objects.filter(target__name="").select_related("target__application", "target__environment")
        ordered = rows.order_by("target__application__name", "target__environment__position")
        return {row.target.slug: {name: getattr(row, name) for name in self.fields} for row in ordered}

    def write(self, key: str, entry: Entry, before: Entry | None, by: User | None) -> None:
        policies.set_policy(_find_target(key), policies.rules_from(entry), by=by)

    def remove(self, key: str, by: User | None) -> None:
        policies.remove_policy(_find_target(key), by=by)


class Freezes(Section):
    """Those that last or are to come: a list. One that is over is over, whatever a file says."""

    name = "freezes"
    models = (Freeze,)
    fields = {
        "scope": fields.text(required=True),
        "starts": Field(_read_time, required=True),
        "ends": Field(_read_time, required=True),
        "reason": fields.text(required=True),
    }

    def now(self) -> dict[str, Entry]:
        entries = (_freeze_of(row) for row in windows.to_come().order_by("starts", "scope", "ends", "pk"))
        return {_key(entry): entry for entry in entries}

    def read(self, node: Node) -> dict[str, Given]:
        found: dict[str, Given] = {}
        for item in items(node):
            entry = read_entry(item, self.fields)
            if missing := self.missing(entry):
                raise item.problem(f"A freeze needs {missing}.")
            key = _key(entry)
            if key in found:
                raise item.problem(f"This stands here twice; first in line {found[key].node.line}.")
            if datetime.fromisoformat(entry["ends"]) > timezone.now():
                found[key] = Given(entry, item)
        return found

    def write(self, key: str, entry: Entry, before: Entry | None, by: User | None) -> None:
        if before is not None:
            self.remove(key, by)
        starts, ends = (datetime.fromisoformat(entry[name]) for name in ("starts", "ends"))
        scope = locks.find(entry["scope"], viewer=by)
        windows.freeze(scope, by=by, reason=entry["reason"], starts=starts, ends=ends)

    def remove(self, key: str, by: User | None) -> None:
        for row in windows.to_come():
            if _key(_freeze_of(row)) == key:
                windows.lift(row, by=by)

    def written(self, entries: Mapping[str, Entry]) -> Any:
        return list(entries.values())


def _freeze_of(row: Freeze) -> Entry:
    times = {"starts": row.starts.astimezone(UTC).isoformat(), "ends": row.ends.astimezone(UTC).isoformat()}
    return {"scope": row.scope, **times, "reason": row.reason}


def _key(entry: Entry) -> str:
    """`shop/staging from 2026-12-20T00:00:00+00:00 to …`."""
    return f"{entry['scope']} from {entry['starts']} to {entry['ends']}"


def _find_target(slug: str) -> Target:
    application, _, environment = slug.partition("/")
    found = Target.objects.filter(application__name=application, environment__name=environment, name="").first()
    if found is None:
        raise approval_rules.WrongApprovals(f"There is no target {slug}. Nothing was changed.")
    return found
