"""Which person here somebody is of whom a provider has told; whoever is none becomes a new one.

A name never leads to an account: whoever chooses their name at the provider would choose their account here. A verified
mail address does where an administrator wants it, to an account that nobody of this provider has yet.
"""

from datetime import datetime

from django.db import IntegrityError, transaction
from django.utils import timezone

from environments.models import Came, GroupMapping, Identity, LetsIn, Role, SignInProvider, User
from environments.providers.claims import Claims
from environments.providers.errors import NotLetIn
from environments.providers.settling import settle
from notifications import events

_NOBODY = "Nobody was signed in."


def arrive(provider: SignInProvider, claims: Claims) -> User:
    """The person, with the teams and the role that their groups mean now. Raises NotLetIn."""
    _check_domain(provider, claims)
    try:
        with transaction.atomic():
            person, mapped = _arrive(provider, claims)
    except IntegrityError:  # they came in twice at once for the first time, or somebody took the name meanwhile
        with transaction.atomic():
            person, mapped = _arrive(provider, claims)
    if provider.lets_in == LetsIn.MAPPED and not mapped:  # what groups gave before is taken by now
        raise NotLetIn(_no_group(provider))
    return person


def _arrive(provider: SignInProvider, claims: Claims) -> tuple[User, bool]:
    identity = _known(provider, claims) or _linked(provider, claims) or _new(provider, claims)
    person = identity.user
    if not person.is_active:
        raise NotLetIn(f"The account {person.username} is disabled here; an administrator can enable it. {_NOBODY}")
    now: datetime = timezone.now()
    Identity.objects.filter(pk=identity.pk).update(groups=list(claims.groups), email=claims.email, used_at=now)
    return person, settle(person).any


def _check_domain(provider: SignInProvider, claims: Claims) -> None:
    domains = provider.domains.lower().split()
    if domains and claims.email.lower().rpartition("@")[2] not in domains:
        what = f"yours is {claims.email}" if claims.email else f"{provider.title} has verified none of yours"
        raise NotLetIn(f"Only who has a mail address at {' or '.join(domains)} comes in this way; {what}. {_NOBODY}")


def _known(provider: SignInProvider, claims: Claims) -> Identity | None:
    return Identity.objects.select_related("user").filter(provider=provider, subject=claims.subject).first()


def _linked(provider: SignInProvider, claims: Claims) -> Identity | None:
    """By the mail address, where it means one account and nobody else of the provider has it."""
    if not (provider.links_by_mail and claims.email):
        return None
    found = list(User.objects.filter(email__iexact=claims.email, hook=False)[:2])
    if len(found) != 1 or Identity.objects.filter(provider=provider, user=found[0]).exists():
        return None
    made = Identity.objects.create(provider=provider, subject=claims.subject, user=found[0])
    events.record("provider.linked", user=found[0].username, provider=provider.title)
    return made


def _new(provider: SignInProvider, claims: Claims) -> Identity:
    if provider.lets_in == LetsIn.KNOWN:
        raise NotLetIn(f"Nobody here belongs to your account at {provider.title}. Ask an administrator. {_NOBODY}")
    if provider.lets_in == LetsIn.MAPPED and not _any_mapped(provider, claims):
        raise NotLetIn(_no_group(provider))
    first, _, last = claims.full_name.partition(" ")
    person = User(
        username=_free_name(claims.wanted_name),
        first_name=first[:150],
        last_name=last[:150],
        role=Role.VIEWER,
        came=Came.WAITING,
    )
    person.set_unusable_password()
    person.save()
    events.record("person.came", user=person.username, provider=provider.title)
    return Identity.objects.create(provider=provider, subject=claims.subject, user=person)


def _any_mapped(provider: SignInProvider, claims: Claims) -> bool:
    return GroupMapping.objects.filter(provider=provider, group__in=claims.groups).exists()


def _no_group(provider: SignInProvider) -> str:
    return (
        f"None of your groups at {provider.title} means anything here, and only such people come in this way. Ask an "
        f"administrator to map one. {_NOBODY}"
    )


def _free_name(wanted: str) -> str:
    """`zoe`, or the first of `zoe-2`, `zoe-3` … that nobody has."""
    taken = set(User.objects.filter(username__startswith=wanted).values_list("username", flat=True))
    number = 2
    name = wanted
    while name in taken:
        name, number = f"{wanted}-{number}", number + 1
    return name
