"""Adding, changing and removing sources; nothing is saved that was not looked at first."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction
from django.db.models import F
from django.utils import timezone

from environments import access, host_lines
from environments.models import Environment, Host, HostSource, Membership, User, Zone
from environments.sealed import seal, unseal
from environments.sources import following, kinds, refreshing
from environments.sources.listing import Asked, NameTaken, SettingsWrong
from environments.sources.refreshing import Outcome
from environments.validation import validate_name, validate_user
from notifications import events

LONGEST = 200_000
MOST_MINUTES = 10_080
CHANGEABLE = ("settings", "user", "via", "zone", "share", "every_minutes", "before_deploys", "trusted")


@dataclass(frozen=True)
class Plan:
    """A source as it shall be. `secret`: None keeps the one that is stored. `zone`: `region/zone` or ""."""

    kind: str
    settings: Mapping[str, str]
    name: str = ""
    environment: str = ""
    secret: str | None = None
    user: str = "deploy"
    via: str = ""
    zone: str = ""
    share: int = 30
    every_minutes: int = 15
    before_deploys: bool = False
    trusted: bool = False


def preview(plan: Plan, *, of: HostSource | None = None, by: User | None) -> Outcome:
    """What saving it would do. Nothing is changed. Raises SourceError, NotAllowed."""
    access.require(by, access.ADMINISTER)
    source = _built(plan, of)
    listing = refreshing.read(source, secret=plan.secret)
    return refreshing.look(source, listing)


def add(plan: Plan, *, by: User | None) -> tuple[HostSource, Outcome]:
    """Save it and follow it. A source that cannot be read is not saved. Raises SourceError, NotAllowed."""
    access.require(by, access.ADMINISTER)
    source = _built(plan, None)
    source.secret = seal(plan.secret or "")
    refreshing.read(source)
    source.due_at = timezone.now()
    try:
        with transaction.atomic():
            _refuse_taken(source.name)
            source.save()
            _record("source.added", source, by)
    except IntegrityError:
        raise _taken(source.name) from None
    return source, refreshing.refresh(source, by=by)


def change(source: HostSource, plan: Plan, *, accept: str = "", by: User | None) -> Outcome:
    """Name, kind and environment stay. `accept`: the removal that was seen. Raises SourceError, NotAllowed."""
    access.require(by, access.ADMINISTER)
    wanted = _built(plan, source)
    secret = source.secret if plan.secret is None else seal(plan.secret)
    refreshing.read(wanted, secret=plan.secret)
    facts: dict[str, Any] = {name: getattr(wanted, name) for name in CHANGEABLE}
    with transaction.atomic():
        rows = HostSource.objects.filter(pk=source.pk)
        rows.update(**facts, secret=secret, version=F("version") + 1, due_at=timezone.now())
        _record("source.changed", source, by)
    fresh = HostSource.objects.select_related("environment", "zone__region").get(pk=source.pk)
    return refreshing.refresh(fresh, by=by, accept=accept)


def write_down(plan: Plan, *, of: HostSource | None, by: User | None) -> None:
    """As `add` or `change`, but it is asked later, by the next worker that looks: whoever applies a file waits for
    nobody, and need not reach what the source reads. Until then its hosts stay. Raises SourceError, NotAllowed.
    """
    access.require(by, access.ADMINISTER)
    wanted = _built(plan, of)
    wanted.secret = (of.secret if of else "") if plan.secret is None else seal(plan.secret)
    wanted.due_at = timezone.now()
    try:
        with transaction.atomic():
            if of is None:
                _refuse_taken(wanted.name)
                wanted.save()
            else:
                facts = {name: getattr(wanted, name) for name in (*CHANGEABLE, "secret", "due_at")}
                facts |= {"looked_at": None} if not wanted.every_minutes else {}  # or nobody would look
                HostSource.objects.filter(pk=of.pk).update(**facts, version=F("version") + 1)
            _record("source.added" if of is None else "source.changed", wanted, by)
    except IntegrityError:
        raise _taken(wanted.name) from None


def remove(source: HostSource, *, by: User | None, hosts: bool = False) -> None:
    """It is read no more. Its hosts stay, as if they had been typed in; with `hosts` they leave. Raises NotAllowed."""
    access.require(by, access.ADMINISTER)
    with transaction.atomic():
        _record("source.removed", source, by)
        if hosts:
            given = list(source.given.values_list("host_id", flat=True))
            following.remove(source, given, by=by.username if by else "")
        else:
            Host.objects.filter(found_by=source.name).update(found_by="")
        members = Membership.objects.filter(environment=source.environment, source=source.name)
        members.update(source="static")
        source.delete()


def _built(plan: Plan, of: HostSource | None) -> HostSource:
    """Raises SettingsWrong."""
    problems: dict[str, str] = {}
    kind = kinds.KINDS.get(of.kind if of else plan.kind)
    if kind is None:
        raise SettingsWrong({"kind": f"{plan.kind[:40]!r} is no kind of source; there are {', '.join(kinds.KINDS)}."})
    name = of.name if of else plan.name.strip()
    environment = of.environment if of else Environment.objects.filter(name=plan.environment).first()
    if environment is None:
        problems["environment"] = f"There is no environment {plan.environment[:63]!r}. Choose one."
    _check(problems, "name", validate_name, name)
    _check(problems, "user", validate_user, plan.user)
    zone = _zone(problems, plan.zone)
    _check_via(problems, plan)
    if not 0 <= plan.share <= 100:
        problems["share"] = "The share is a whole number from 0 to 100."
    if not 0 <= plan.every_minutes <= MOST_MINUTES:
        problems["every_minutes"] = f"It is read every 1 to {MOST_MINUTES} minutes, or never with 0."
    known = {field.name for field in kind.TOLD.fields if field.shape != "secret"}
    settings = {name: str(text).replace("\r\n", "\n") for name, text in plan.settings.items() if name in known}
    for field in kind.TOLD.fields:
        if field.shape == "area" or field.name not in settings:
            continue
        settings[field.name] = settings[field.name].strip()
    if sum(map(len, settings.values())) > LONGEST:
        problems["settings"] = f"That is longer than {LONGEST} characters."
    secret = plan.secret if plan.secret is not None else (unseal(of.secret) if of else "")
    if secret and of and plan.secret is None and settings.get("address") != of.settings.get("address"):
        problems["secret"] = "Type the secret anew: it was given for another address."
    problems |= kind.check(Asked(settings, secret, plan.user))
    if problems or environment is None:
        raise SettingsWrong(problems)
    built = HostSource(pk=of.pk if of else None, name=name, kind=kind.TOLD.word, environment=environment)
    built.settings, built.user, built.via, built.zone = settings, plan.user, plan.via.strip(), zone
    built.share, built.every_minutes = plan.share, plan.every_minutes
    built.before_deploys, built.trusted = plan.before_deploys, plan.trusted
    built.secret = of.secret if of else ""
    return built


def _check(problems: dict[str, str], name: str, validate: Any, value: str) -> None:
    try:
        validate(value)
    except ValidationError as error:
        problems[name] = f"{value[:80]!r} can be no {name}. {error.messages[0]}"


def _check_via(problems: dict[str, str], plan: Plan) -> None:
    if not plan.via.strip():
        return
    try:
        found = host_lines.read(plan.via.strip(), user="" if "user" in problems else plan.user)
        if len(found) != 1 or found[0].via:
            problems["via"] = "Name one bastion, as `user@host:port`."
    except host_lines.LinesWrong as error:
        problems["via"] = next(iter(error.problems.values()))


def _zone(problems: dict[str, str], place: str) -> Zone | None:
    if not place:
        return None
    region, _, name = place.partition("/")
    found = Zone.objects.select_related("region").filter(region__name=region, name=name).first()
    if found is None:
        problems["zone"] = f"There is no zone {place[:130]!r}."
    return found


def _refuse_taken(name: str) -> None:
    """A name that memberships bear already would make hosts of others this source's own."""
    if Membership.objects.filter(source=name).exists() or name == "static":
        raise NameTaken(f"Hosts say already that they come from {name}. Choose another name. Nothing was saved.")


def _taken(name: str) -> NameTaken:
    return NameTaken(f"There is a source called {name} already. Choose another name. Nothing was saved.")


def _record(kind: str, source: HostSource, by: User | None) -> None:
    facts: dict[str, Any] = {"name": source.name, "source_kind": source.kind}
    events.record(kind, by.username if by else "", environment=source.environment.name, **facts)
