"""Adding, changing and removing providers, and what their groups mean here. Administrators' alone."""

from dataclasses import dataclass, field, fields
from typing import Any

from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction
from django.db.models import CharField

from environments import access
from environments.models import GroupMapping, Identity, LetsIn, Role, SignInProvider, Team, User
from environments.providers.asking import problem_of
from environments.providers.claims import LONGEST_GROUP
from environments.providers.errors import (
    AlreadySo,
    NoSuchMapping,
    NoSuchProvider,
    ProviderTaken,
    ProviderWrong,
    WrongMapping,
)
from environments.providers.settling import settle_all
from environments.sealed import seal
from environments.validation import validate_name
from notifications import events

LONGEST_AUTHORITIES = 60_000
MAPPED_ROLES = (Role.VIEWER, Role.DEPLOYER, Role.MAINTAINER, Role.ADMINISTRATOR)
_KEEPS_LINES = ("authorities",)
_LONGEST = {one.name: one.max_length for one in SignInProvider._meta.fields if isinstance(one, CharField)}


@dataclass(frozen=True)
class Plan:
    """A provider as it shall be. `secret`: None keeps the one that is stored."""

    name: str = ""
    title: str = ""
    enabled: bool = True
    issuer: str = ""
    client_id: str = ""
    secret: str | None = field(default=None, repr=False)
    scopes: str = "openid profile email"
    groups_claim: str = "groups"
    lets_in: str = LetsIn.EVERYONE
    domains: str = ""
    links_by_mail: bool = False
    second_factors: str = ""
    authorities: str = ""


KEPT = tuple(one.name for one in fields(Plan) if one.name not in ("name", "secret"))


def find(name: str) -> SignInProvider:
    """Raises NoSuchProvider."""
    found = SignInProvider.objects.filter(name=name).first()
    if found is None:
        raise NoSuchProvider(f"There is no sign-in provider {name[:63]!r}. Nothing was changed.")
    return found


def plan_of(provider: SignInProvider) -> Plan:
    """As it is, to be changed from."""
    return Plan(name=provider.name, **{one: getattr(provider, one) for one in KEPT})


def add(plan: Plan, *, by: User | None) -> SignInProvider:
    """Raises NotAllowed, ProviderWrong, ProviderTaken."""
    access.require(by, access.ADMINISTER)
    provider = SignInProvider(name=plan.name.strip())
    _fill(provider, plan)
    try:
        with transaction.atomic():
            provider.save()
            _record("provider.added", provider, by, issuer=provider.issuer)
    except IntegrityError:
        raise ProviderTaken(
            f"There is a sign-in provider called {provider.name} already. Choose another name. Nothing was saved."
        ) from None
    return provider


def change(provider: SignInProvider, plan: Plan, *, by: User | None) -> None:
    """The name stays, for the provider knows the address that it is part of. Raises NotAllowed, ProviderWrong."""
    access.require(by, access.ADMINISTER)
    before = {one: getattr(provider, one) for one in KEPT}
    _fill(provider, plan, before=before)
    changed = [one for one in KEPT if getattr(provider, one) != before[one]]
    changed += ["secret"] if plan.secret is not None else []
    provider.trouble, provider.asked_at = "", None
    with transaction.atomic():
        provider.save(update_fields=[*KEPT, "secret", "trouble", "asked_at"])
        if changed:
            _record("provider.changed", provider, by, changed=[one.replace("_", " ") for one in changed])


def remove(provider: SignInProvider, *, by: User | None) -> None:
    """Who came in by it stays, without what its groups gave. Raises NotAllowed."""
    access.require(by, access.ADMINISTER)
    with transaction.atomic():
        persons = list(User.objects.filter(identities__provider=provider))
        _record("provider.removed", provider, by)
        provider.delete()
        settle_all(persons)


def map_group(
    provider: SignInProvider, group: str, *, team: Team | None = None, role: str = "", by: User | None
) -> GroupMapping:
    """Being in `group` means `team`, or `role` everywhere, from now on. Another role for the group is replaced.

    Raises NotAllowed, WrongMapping, AlreadySo.
    """
    access.require(by, access.ADMINISTER)
    word = group.strip()
    if not 0 < len(word) <= LONGEST_GROUP or not word.isprintable():
        raise WrongMapping(
            f"{word[:80]!r} can be no name of a group: 1 to {LONGEST_GROUP} characters. Nothing was changed."
        )
    if bool(team) == bool(role) or (role and role not in MAPPED_ROLES):
        raise WrongMapping(f"A group means a team, or one of the roles {', '.join(MAPPED_ROLES)}. Nothing was changed.")
    with transaction.atomic():
        SignInProvider.objects.select_for_update(no_key=True).get(pk=provider.pk)
        rows = GroupMapping.objects.filter(provider=provider, group=word, team=team)
        if rows.filter(role=role).exists():
            raise AlreadySo(f"{word} means that already.")
        rows.delete()
        made = GroupMapping.objects.create(provider=provider, group=word, team=team, role=role)
        _record("provider.mapped", provider, by, group=word, meaning=meaning_of(made))
        settle_all(_in_group(provider, word))
    return made


def unmap_group(provider: SignInProvider, mapping_id: int, *, by: User | None) -> None:
    """What the group gave goes at once, where nothing else gives it. Raises NotAllowed, NoSuchMapping."""
    access.require(by, access.ADMINISTER)
    with transaction.atomic():
        found = GroupMapping.objects.select_related("team").filter(pk=mapping_id, provider=provider).first()
        if found is None:
            raise NoSuchMapping(f"{provider.title} has no such mapping; it was taken away already.")
        _record("provider.unmapped", provider, by, group=found.group, meaning=meaning_of(found))
        found.delete()
        settle_all(_in_group(provider, found.group))


def unlink(identity: Identity, *, by: User | None) -> None:
    """The provider's account leads to this person no more. Raises NotAllowed, AlreadySo."""
    access.require(by, access.ADMINISTER)
    person = identity.user
    with transaction.atomic():
        if not Identity.objects.filter(pk=identity.pk).delete()[0]:
            raise AlreadySo(f"{person.username} is unknown at {identity.provider.title} already.")
        _record("provider.unlinked", identity.provider, by, user=person.username)
        settle_all([person])


def meaning_of(mapping: GroupMapping) -> str:
    """`the team payments`, `the role administrator`."""
    return f"the team {mapping.team}" if mapping.team else f"the role {mapping.role}"


def _in_group(provider: SignInProvider, group: str) -> list[User]:
    rows = Identity.objects.filter(provider=provider).select_related("user")
    return [row.user for row in rows if group in row.groups]


def _fill(provider: SignInProvider, plan: Plan, *, before: dict[str, Any] | None = None) -> None:
    """Raises ProviderWrong, and then the row is as it was."""
    said = {one: _tidy(one, getattr(plan, one)) for one in KEPT}
    problems = _problems(said)
    if before is None:
        problems |= _problem_of_name(provider.name)
    elif said["issuer"] != before["issuer"]:
        if Identity.objects.filter(provider=provider).exists():
            problems["issuer"] = (
                "People have come in by it already: the same word means somebody else at another issuer. Set up a "
                "second provider, and remove this one later."
            )
        elif plan.secret is None and provider.secret:
            problems["secret"] = "Type the client's secret anew: it was given for another issuer."
    if plan.secret is not None and not plan.secret.isprintable():
        problems["secret"] = "That holds characters that no secret has."
    if problems:
        raise ProviderWrong(problems)
    for name, value in said.items():
        setattr(provider, name, value)
    if plan.secret is not None:
        provider.secret = seal(plan.secret.strip())


def _tidy(name: str, value: Any) -> Any:
    if not isinstance(value, str):
        return value
    return value.replace("\r\n", "\n").strip() if name in _KEEPS_LINES else " ".join(value.split())


def _problems(said: dict[str, Any]) -> dict[str, str]:
    problems: dict[str, str] = {}
    if problem := problem_of(said["issuer"]):
        problems["issuer"] = problem
    elif "?" in said["issuer"] or said["issuer"].endswith("/.well-known/openid-configuration"):
        problems["issuer"] = "The issuer's own address is wanted: what stands before /.well-known, without a question."
    for name in ("title", "client_id"):
        if not said[name]:
            problems[name] = f"Say its {name.replace('_', ' ')}."
    for name, value in said.items():
        most = LONGEST_AUTHORITIES if name in _KEEPS_LINES else _LONGEST.get(name)
        if isinstance(value, str) and most and len(value) > most:
            problems[name] = f"That has more than {most} characters."
        elif isinstance(value, str) and name not in _KEEPS_LINES and not value.isprintable():
            problems[name] = "That holds characters that cannot be seen."
    if "openid" not in said["scopes"].split():
        problems["scopes"] = "Without openid among the scopes no provider says who somebody is."
    if said["lets_in"] not in LetsIn.values:
        problems["lets_in"] = f"It is one of {', '.join(LetsIn.values)}."
    return problems


def _problem_of_name(name: str) -> dict[str, str]:
    try:
        validate_name(name)
    except ValidationError as error:
        return {"name": f"{name[:80]!r} can be no name. {error.messages[0]}"}
    return {}


def _record(kind: str, provider: SignInProvider, by: User | None, **facts: Any) -> None:
    events.record(kind, by.username if by else "", provider=provider.title, name=provider.name, **facts)
