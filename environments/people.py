"""Who may come in, as what, and for how long. Passwords are chosen by their people, by a link that opens once.

Errors:

    PeopleError
    ├── NameTaken           there is such a person already
    ├── WrongName           this can be no user name
    ├── LastAdministrator   without this person nobody could administer any more
    ├── AlreadySo           nothing would change
    ├── FromGroups          a group of theirs makes them more than that
    ├── LinkSpent           the link was used, is too old, or its person is disabled
    │   └── NoPasswords     passwords let administrators alone in
    ├── WrongAddress        this can be no mail address
    ├── NoTime              this is no time of the day
    └── WeakPassword        the password would be guessed
"""

import re
from collections.abc import Sequence
from datetime import time

from django.contrib.auth.password_validation import validate_password
from django.contrib.auth.tokens import PasswordResetTokenGenerator
from django.core.exceptions import ValidationError
from django.core.validators import validate_email
from django.db import IntegrityError, transaction
from django.db.models import Q
from django.utils.http import urlsafe_base64_decode, urlsafe_base64_encode

from environments import access
from environments.models import Came, Role, User
from environments.providers import passwords
from notifications import events

_LONGEST_EMAIL = 254
_USER_NAME = re.compile(r"[a-z0-9](?:[a-z0-9._-]{0,62}[a-z0-9])?")


class PeopleError(Exception):
    """`str()` is the sentence for every door."""


class NameTaken(PeopleError):
    pass


class WrongName(PeopleError):
    pass


class LastAdministrator(PeopleError):
    pass


class AlreadySo(PeopleError):
    pass


class FromGroups(PeopleError):
    pass


class LinkSpent(PeopleError):
    pass


class NoPasswords(LinkSpent):
    pass


class WrongAddress(PeopleError):
    pass


class NoTime(PeopleError):
    pass


class WeakPassword(PeopleError):
    """`reasons`: a sentence for each."""

    def __init__(self, reasons: Sequence[str]) -> None:
        self.reasons = list(reasons)
        super().__init__(" ".join(reasons))


class _Links(PasswordResetTokenGenerator):
    """A link is void once a password was chosen or its person has signed in, and after PASSWORD_RESET_TIMEOUT."""

    key_salt = "environments.people"


_links = _Links()


def invite(*, username: str, full_name: str = "", role: str = Role.VIEWER, email: str = "", by: User | None) -> User:
    """A new person without a password; `link_of` opens the door once. `email`: where links may go, or "".

    Raises NotAllowed, WrongName, WrongAddress, NameTaken.
    """
    access.require(by, access.ADMINISTER)
    address = _read_email(email)
    name = username.strip().lower()
    if not _USER_NAME.fullmatch(name):
        raise WrongName(
            f"{username.strip()[:80]!r} can be no user name: lower-case letters, digits, dot, hyphen and underscore, "
            "beginning and ending with a letter or digit, at most 64. Nobody was invited."
        )
    first, last = _names(full_name)
    try:
        with transaction.atomic():
            person = User(username=name, first_name=first, last_name=last, role=Role(role), email=address)
            person.set_unusable_password()
            person.save()
            events.record("person.invited", _by(by), user=name, role=person.role)
    except IntegrityError:
        raise NameTaken(f"There is a person called {name} already. Nobody was invited.") from None
    return person


def link_of(person: User, *, by: User | None) -> tuple[str, str]:
    """The two words of a link by which `person` chooses a password, once. Raises NotAllowed, LinkSpent."""
    access.require(by, access.ADMINISTER)
    if not person.is_active:
        raise LinkSpent(f"{person.username} is disabled, so a link would open nothing. Enable the person first.")
    _refuse_without_passwords(person)
    events.record("person.link_made", _by(by), user=person.username)
    return words_of(person)


def words_of(person: User) -> tuple[str, str]:
    """As link_of, for who asks for themselves: the link goes to their mail address alone."""
    return urlsafe_base64_encode(str(person.pk).encode()), _links.make_token(person)


def rename(person: User, full_name: str, *, by: User | None) -> None:
    """What others read of somebody; the user name stays. Raises NotAllowed."""
    access.require(by, access.ADMINISTER)
    first, last = _names(full_name)
    with transaction.atomic():
        User.objects.filter(pk=person.pk).update(first_name=first, last_name=last)
        events.record("person.renamed", _by(by), user=person.username, name=f"{first} {last}".strip())


def set_email(person: User, email: str, *, by: User | None) -> None:
    """Where links are mailed to; "": nowhere. Administrators' alone, for it opens the account. Raises NotAllowed."""
    access.require(by, access.ADMINISTER)
    address = _read_email(email)
    with transaction.atomic():
        User.objects.filter(pk=person.pk).update(email=address)
        events.record("person.email_changed", _by(by), user=person.username)


def _names(full_name: str) -> tuple[str, str]:
    """As they are stored: the first word, and the others."""
    first, _, last = " ".join(full_name.split()).partition(" ")
    return first[:150], last[:150]


def _read_email(text: str) -> str:
    """Raises WrongAddress."""
    address = text.strip()
    if not address:
        return ""
    try:
        validate_email(address)
    except ValidationError:
        raise WrongAddress(f"{address[:80]!r} is no mail address. Nothing was changed.") from None
    if len(address) > _LONGEST_EMAIL:
        raise WrongAddress(f"A mail address has at most {_LONGEST_EMAIL} characters. Nothing was changed.")
    return address


def find_invited(key: str, token: str) -> User:
    """Whose link this is. Raises LinkSpent, with one sentence whatever is wrong with it."""
    spent = LinkSpent("This link was used already, or is too old. Ask an administrator for a new one.")
    try:
        pk = int(urlsafe_base64_decode(key).decode("ascii"))
    except (ValueError, UnicodeDecodeError):
        raise spent from None
    person = User.objects.filter(pk=pk, is_active=True).first() if 0 < pk < 2**63 else None
    if person is None or not _links.check_token(person, token):
        raise spent
    _refuse_without_passwords(person)
    return person


def _refuse_without_passwords(person: User) -> None:
    if person.hook:
        raise NoPasswords(f"{person.username} is the account of a source of hooks: nobody signs in with it.")
    if not passwords.open_for(person):
        raise NoPasswords(
            f"Passwords let administrators alone in here, so a link would open nothing to {person.username}: everyone "
            "else comes in by a button on the sign-in page."
        )


def join(key: str, token: str, password: str) -> User:
    """Choose the password by a link, which opens nothing from then on. Raises LinkSpent, WeakPassword."""
    with transaction.atomic():
        found = find_invited(key, token)
        person = User.objects.select_for_update(no_key=True).get(pk=found.pk)
        if not _links.check_token(person, token):  # another request was first
            raise LinkSpent("This link was used already. Ask an administrator for a new one.")
        _set_password(person, password)
        events.record("person.joined", person.username)
    return person


def change_password(person: User, *, old: str, new: str) -> None:
    """One's own password. Raises WeakPassword, also when the old one is not right."""
    if not person.check_password(old):
        raise WeakPassword(["This is not your present password. Nothing was changed."])
    with transaction.atomic():
        _set_password(person, new)
        events.record("person.changed_password", person.username)


def set_day_end(person: User, at: str) -> None:
    """When one's own working day ends, as `18:00`, on the clock of wherever one is. Raises NoTime."""
    try:
        ends = time.fromisoformat(at)
    except ValueError:
        raise NoTime(f"{at[:40]!r} is no time of the day, as 18:00 is. Nothing was changed.") from None
    User.objects.filter(pk=person.pk).update(day_ends=ends.replace(second=0, microsecond=0, tzinfo=None))


def set_role(person: User, role: str, *, by: User | None) -> None:
    """From then on a hand has said it. Raises NotAllowed, LastAdministrator, AlreadySo, FromGroups."""
    access.require(by, access.ADMINISTER)
    with transaction.atomic():
        fresh = lock(person)
        if fresh.role == role and not fresh.is_superuser and fresh.came != Came.WAITING:
            raise AlreadySo(f"{person.username} is {role} already.")
        _refuse_if_from_groups(fresh, role)
        if Role(role) != Role.ADMINISTRATOR:
            _refuse_if_last(fresh)
        # a superuser is an administrator whatever its role says: the role decides from now on
        User.objects.filter(pk=fresh.pk).update(role=Role(role), own_role="", came="", is_superuser=False)
        events.record("person.role_changed", _by(by), user=person.username, role=str(Role(role)), old=fresh.role)


def _refuse_if_from_groups(person: User, role: str) -> None:
    """Their next sign-in would give it back."""
    if person.own_role and list(Role).index(Role(role)) > list(Role).index(Role(person.role)):
        raise FromGroups(
            f"{person.username} is {person.role} because of a group at a sign-in provider, and would be again. Take "
            "them out of that group, or take away what it means here, in Settings, Sign-in. Nothing was changed."
        )


def disable(person: User, *, by: User | None) -> None:
    """The person and their tokens open nothing any more; what they did stays. Raises as set_role."""
    access.require(by, access.ADMINISTER)
    with transaction.atomic():
        fresh = lock(person)
        if not fresh.is_active:
            raise AlreadySo(f"{person.username} is disabled already.")
        _refuse_if_last(fresh)
        User.objects.filter(pk=fresh.pk).update(is_active=False)
        events.record("person.disabled", _by(by), user=person.username)


def enable(person: User, *, by: User | None) -> None:
    """Raises NotAllowed, AlreadySo."""
    access.require(by, access.ADMINISTER)
    with transaction.atomic():
        if not User.objects.filter(pk=person.pk, is_active=False).update(is_active=True):
            raise AlreadySo(f"{person.username} is enabled already.")
        events.record("person.enabled", _by(by), user=person.username)


def lock(person: User) -> User:
    """The person's row, with those of all administrators: two who remove each other at once must not both succeed."""
    wanted = Q(pk=person.pk) | Q(role=Role.ADMINISTRATOR) | Q(is_superuser=True)
    rows = list(User.objects.select_for_update(no_key=True).filter(wanted).order_by("pk"))
    return next(row for row in rows if row.pk == person.pk)


def is_last_administrator(person: User) -> bool:
    """Whether nobody could administer without this person, whose row is held."""
    if not (person.is_active and access.allows(person, access.ADMINISTER)):
        return False
    rules = Q(role=Role.ADMINISTRATOR) | Q(is_superuser=True)
    return not User.objects.filter(rules, is_active=True).exclude(pk=person.pk).exists()


def _refuse_if_last(person: User) -> None:
    if is_last_administrator(person):
        raise LastAdministrator(
            f"{person.username} is the last administrator: without one, nobody could change these settings any more. "
            "Make someone else an administrator first. Nothing was changed."
        )


def _set_password(person: User, password: str) -> None:
    try:
        validate_password(password, person)
    except ValidationError as error:
        raise WeakPassword(error.messages) from None
    person.set_password(password)
    person.save(update_fields=["password"])


def _by(person: User | None) -> str:
    return person.username if person else ""
