"""Wrong tries to come in, counted by django-axes: how many are let through, and until when no more are.

Ten for a name from an address, or a hundred from an address for any names; after that each further one is refused,
right or wrong, and is not counted, until fifteen minutes have passed since the last that was. Signing in forgets the
name's. A token is too long to be guessed, so a right one always opens; wrong ones are counted all the same.
"""

import ipaddress
from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any

from axes.handlers.database import AxesDatabaseHandler
from axes.handlers.proxy import AxesProxyHandler
from axes.models import AccessAttempt
from django.conf import settings
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.utils import timezone

from environments import access
from environments.models import User
from notifications import events

OF_A_NAME = 10
OF_AN_ADDRESS = 100
WAIT = timedelta(minutes=15)
TOKEN = "a token"  # with a space, so that no person is called so
ANYWHERE = "0.0.0.0"  # codes of a second factor count from wherever they come: who tries them knows the password
_FACTOR = "second factor of "
_ASKING = "link for "
_MINUTES = int(WAIT.total_seconds()) // 60
_NETWORK_BITS = 64  # who has one address of IPv6 has a network of them

Try = tuple[datetime, int]  # when the last of them was, and how many


class TooManyTries(Exception):
    """Nothing was looked at. `until`: when it opens again. `str()` is the sentence for programs."""

    def __init__(self, until: datetime) -> None:
        self.until = until
        super().__init__(
            f"Too many wrong tries came from this address. Wrong ones are not looked at until {until:%H:%M:%S} UTC."
        )

    @property
    def seconds(self) -> int:
        """How long that is from now."""
        return max(1, int((self.until - timezone.now()).total_seconds()) + 1)


def address_of(request: HttpRequest) -> str | None:
    """The visitor's, as the server has it from a proxy that we trust (proxies.py); of IPv6 the network."""
    text = request.META.get("REMOTE_ADDR", "")
    try:
        address = ipaddress.ip_address(text)
    except ValueError:  # a socket of the operating system has none
        return None
    if address.version == 4:
        return str(address)
    return str(ipaddress.ip_network((address, _NETWORK_BITS), strict=False).network_address)


def until_below(tries: Iterable[Try], most: int) -> datetime | None:
    """When fewer than `most` of these will be younger than WAIT; None: that is so already."""
    left = sum(count for _, count in tries)
    for at, count in sorted(tries):
        if left < most:
            return None
        left -= count
        if left < most:
            return at + WAIT
    return None


def barred_until(name: str | None, address: str | None) -> datetime | None:
    """When `name` may be tried again from `address`; None: now."""
    young = AccessAttempt.objects.filter(ip_address=address, attempt_time__gt=timezone.now() - WAIT)
    rows = list(young.values_list("username", "attempt_time", "failures_since_start"))
    ends = [until_below([(at, count) for username, at, count in rows if username == name], OF_A_NAME)]
    if address != ANYWHERE:
        ends.append(until_below([(at, count) for _, at, count in rows], OF_AN_ADDRESS))
    return max((end for end in ends if end), default=None)


def barred_from(person: User) -> list[tuple[str, datetime]]:
    """From which addresses this person's name may not be tried now, and until when, the longest first."""
    names = [person.username, of_factor(person)[0]]
    young = AccessAttempt.objects.filter(username__in=names, attempt_time__gt=timezone.now() - WAIT)
    by_address: dict[str, list[Try]] = {}
    for address, at, count in young.values_list("ip_address", "attempt_time", "failures_since_start"):
        by_address.setdefault(address or "", []).append((at, count))
    ends = ((address, until_below(tries, OF_A_NAME)) for address, tries in by_address.items())
    return sorted(((address, end) for address, end in ends if end), key=lambda pair: pair[1], reverse=True)


def forget(person: User, *, by: User) -> None:
    """Let the person try again at once, from wherever they are. Raises NotAllowed."""
    access.require(by, access.ADMINISTER)
    with transaction.atomic():
        AxesProxyHandler.reset_attempts(username=person.username)
        forget_codes(person)
        events.record("signin.opened", by.username, user=person.username)


def of_factor(person: User) -> tuple[str, str]:
    """Under which name, and from which address, wrong codes of a person's second factor are counted."""
    return _FACTOR + person.username, ANYWHERE


def count_wrong_code(request: HttpRequest, person: User) -> datetime | None:
    """Until when no more of them are looked at; None: the next one is."""
    name, address = of_factor(person)
    _count(request, name, address)
    return barred_until(name, address)


def forget_codes(person: User) -> None:
    """A right one was shown."""
    AccessAttempt.objects.filter(username=of_factor(person)[0]).delete()


def _count(request: HttpRequest, name: str, address: str | None) -> None:
    bare = HttpRequest()  # the body may be anything, and says nothing about who asks
    bare.META = {**request.META, "REMOTE_ADDR": address or ""}
    AxesProxyHandler.user_login_failed(sender=__name__, credentials={"username": name}, request=bare)


def count_asking(request: HttpRequest, name: str) -> None:
    """Each time that somebody asks for a link by mail. Raises TooManyTries after ten."""
    asked, address = _ASKING + name, address_of(request)
    if until := barred_until(asked, address):
        raise TooManyTries(until)
    _count(request, asked, address)


def count_wrong_token(request: HttpRequest) -> None:
    """Raises TooManyTries with the tenth from an address, and for each that follows."""
    address = address_of(request)
    if not barred_until(TOKEN, address):
        _count(request, TOKEN, address)
    if until := barred_until(TOKEN, address):
        raise TooManyTries(until)


class Tries(AxesDatabaseHandler):  # type: ignore[misc]  # it carries no types
    """django-axes' own, which besides asks for addresses that try many names, and tells what it refuses."""

    def get_failures(self, request: Any, credentials: dict[str, Any] | None = None) -> int:
        """As many as are one too many, or none: barred_until is the only rule."""
        name = (credentials or {}).get("username")
        return int(settings.AXES_FAILURE_LIMIT) if barred_until(name, request.axes_ip_address) else 0

    def user_login_failed(self, sender: Any, credentials: Any, request: Any = None, **more: Any) -> None:
        super().user_login_failed(sender, credentials, request, **more)
        if request is not None and request.axes_failures_since_start:  # refused from now on: it was looked at itself
            _tell(str(credentials.get("username") or ""))

    def user_logged_in(self, sender: Any, request: Any, user: User, **more: Any) -> None:
        """Two statements less at each sign-in than axes' own: it empties the table of everyone at each failure."""
        self.reset_user_attempts(request, {"username": user.get_username()})

    def user_logged_out(self, *args: Any, **more: Any) -> None:
        """Nothing was counted."""


def _tell(name: str) -> None:
    """A name that nobody has is not written down: people type passwords there."""
    if name.startswith(_ASKING):
        events.record("signin.barred", tries="questions for a link by mail from one address", minutes=_MINUTES)
        return
    known = User.objects.filter(username=name).exists()
    if name.startswith(_FACTOR):
        events.record("signin.barred", tries=f"wrong codes for {name[len(_FACTOR) :]}", minutes=_MINUTES)
        return
    what = (
        "wrong tokens from one address"
        if name == TOKEN
        else f"wrong passwords for {name} from one address"
        if known
        else "wrong passwords from one address"
    )
    user: dict[str, Any] = {"user": name} if known else {}
    events.record("signin.barred", tries=what, minutes=_MINUTES, **user)


def keep_answer(request: HttpRequest, answer: HttpResponse | None, credentials: object) -> HttpResponse:
    """What axes' middleware answers where it refused: what the door itself has said, as long as it let nobody in."""
    if answer is not None and answer.status_code == 429:
        return answer
    return HttpResponse("Too many wrong tries. Try again in a quarter of an hour.", "text/plain", 429)
