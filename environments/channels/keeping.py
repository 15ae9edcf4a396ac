"""Adding, changing, testing, resuming and removing channels. Only administrators: what is said leaves the house."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction

from environments import access
from environments.channels import routing
from environments.channels.errors import ChannelTaken, ChannelWrong, NotStopped, TestFailed
from environments.channels.routing import Routing
from environments.models import Application, Environment, User
from environments.sealed import seal, unseal
from environments.validation import validate_name
from notifications import events, sending
from notifications.channels import kinds
from notifications.channels.letters import Asked, NotDelivered
from notifications.models import Channel

LONGEST = 4000
_KEPT = ("settings", "secret", "applications", "environments", "kinds", "outcomes", "templates", "owner")


@dataclass(frozen=True)
class Plan:
    """A channel as it shall be. `secret`: None keeps the credential that is stored; `owner`: "" who asks for it."""

    kind: str
    name: str = ""
    settings: Mapping[str, str] = field(default_factory=dict)
    secret: str | None = field(default=None, repr=False)
    routing: Routing = field(default_factory=Routing)
    owner: str = ""


def add(plan: Plan, *, by: User | None) -> Channel:
    """Raises NotAllowed, ChannelWrong, ChannelTaken."""
    access.require(by, access.ADMINISTER)
    channel = _built(plan, None, by)
    try:
        with transaction.atomic():
            channel.save()
            _record("channel.added", channel, by)
    except IntegrityError:
        raise ChannelTaken(
            f"There is a channel called {channel.name} already. Choose another name. Nothing was saved."
        ) from None
    return channel


def change(channel: Channel, plan: Plan, *, by: User | None) -> None:
    """Name and kind stay. One that had stopped is sent to again. Raises NotAllowed, ChannelWrong, CannotOpen."""
    access.require(by, access.ADMINISTER)
    built = _built(plan, channel, by)
    for name in _KEPT:
        setattr(channel, name, getattr(built, name))
    channel.stopped, channel.trouble, channel.trouble_at = False, "", None
    with transaction.atomic():
        channel.save(update_fields=[*_KEPT, "stopped", "trouble", "trouble_at"])
        channel.posted.all().delete()  # messages of another room are not edited from here
        _record("channel.changed", channel, by)


def resume(channel: Channel, *, by: User | None) -> None:
    """Send there again, after whatever was wrong on the other side was mended. Raises NotAllowed, NotStopped."""
    access.require(by, access.ADMINISTER)
    with transaction.atomic():
        stopped = Channel.objects.filter(pk=channel.pk, stopped=True)
        if not stopped.update(stopped=False, trouble="", trouble_at=None):
            raise NotStopped(f"{channel.name} has not stopped. Nothing was changed.")
        _record("channel.resumed", channel, by)
    channel.stopped, channel.trouble, channel.trouble_at = False, "", None


def remove(channel: Channel, *, by: User | None) -> None:
    """With what waits for it. Raises NotAllowed."""
    access.require(by, access.ADMINISTER)
    with transaction.atomic():
        _record("channel.removed", channel, by)
        channel.delete()


def try_out(channel: Channel, *, by: User | None) -> None:
    """Send a test there, now, by this process. Raises NotAllowed, TestFailed, CannotOpen."""
    access.require(by, access.ADMINISTER)
    try:
        sending.send_test(channel, by=by.full_name if by else "the Deployer")
    except NotDelivered as error:
        raise TestFailed(str(error)) from None


def problems_of(said: Routing) -> dict[str, str]:
    """What could not be saved of it, by field."""
    return routing.check(said, **_known())[1]


def _built(plan: Plan, of: Channel | None, by: User | None) -> Channel:
    """Raises ChannelWrong, CannotOpen."""
    word = of.kind if of else plan.kind
    kind = kinds.KINDS.get(word)
    if kind is None:
        raise ChannelWrong({"kind": f"{word[:40]!r} is no kind of channel; there are {', '.join(kinds.KINDS)}."})
    problems: dict[str, str] = {}
    name = of.name if of else plan.name.strip()
    try:
        validate_name(name)
    except ValidationError as error:
        problems["name"] = f"{name[:80]!r} can be no name. {error.messages[0]}"
    asked = _asked(plan, of, [(one.name, one.shape) for one in kind.TOLD.fields])
    if sum(map(len, asked.settings.values())) > LONGEST:
        problems["settings"] = f"That is longer than {LONGEST} characters."
    if of and plan.secret is None and asked.secret and asked.settings != of.settings:
        problems["secret"] = "Type the credential anew: it was given for other settings."
    owner = plan.owner or (of.owner if of else by.username if by else "")
    if owner and not User.objects.filter(username=owner, is_active=True).exists():
        problems["owner"] = f"{owner[:80]!r} is nobody who can sign in."
    kept, wrong = routing.check(plan.routing, **_known())
    problems |= {**kind.check(asked), **wrong}
    if problems:
        raise ChannelWrong(problems)
    lists = {one: list(getattr(kept, one)) for one in ("applications", "environments", "kinds", "outcomes")}
    secret = seal(asked.secret)
    return Channel(name=name, kind=word, owner=owner, settings=asked.settings, secret=secret, templates=kept.templates,
                   **lists)  # fmt: skip


def _asked(plan: Plan, of: Channel | None, fields: list[tuple[str, str]]) -> Asked:
    """Only what the kind asks for. Raises CannotOpen."""
    known = [name for name, shape in fields if shape != "secret"]
    settings = {one: str(plan.settings.get(one, "")).replace("\r\n", "\n").strip() for one in known}
    if len(known) == len(fields):
        return Asked(settings)
    kept = unseal(of.secret) if of and plan.secret is None else ""
    return Asked(settings, kept if plan.secret is None else plan.secret.strip())


def _known() -> dict[str, set[str]]:
    return {
        "applications": set(Application.objects.values_list("name", flat=True)),
        "environments": set(Environment.objects.values_list("name", flat=True)),
    }


def _record(kind: str, channel: Channel, by: User | None) -> None:
    events.record(kind, by.username if by else "", name=channel.name, channel_kind=channel.kind)
