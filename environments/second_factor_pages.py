"""The second factor at the door, and one's own page of them."""

import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

from django.contrib import messages
from django.contrib.auth import authenticate, login, update_session_auth_hash
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.safestring import mark_safe
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from environments import second_factors, settings_pages, tries
from environments.access import ANYONE, SIGNED_IN, needs
from environments.models import SignInProvider, User
from environments.providers import passwords
from environments.sealed import CannotOpen, seal, unseal
from notifications import events

BACKEND = "django.contrib.auth.backends.ModelBackend"
PENDING, PROVED, NEW_APP = "second-factor-pending", "proved-at", "second-factor-new-app"
CAME_BY = "came-by"  # in the session of who came by a sign-in provider: its name
PENDING_SECONDS = 600
PROVED_SECONDS = 900


@dataclass(frozen=True)
class Way:
    """How somebody came to the door: by a password, or by the provider of this name and title.

    `proved_at`: when they have shown there who they are; `factor`: whether that was with a second factor.
    """

    name: str = ""
    title: str = ""
    proved_at: float | None = None
    factor: bool = False


PASSWORD = Way()


def begin_session(request: HttpRequest, person: User, to: str, way: Way = PASSWORD) -> HttpResponse:
    """Sign in whose password was right, or who came by a provider: at once, or by way of the second factor."""
    if way.factor or not second_factors.has_one(person):
        return _sign_in(request, person, to, way)
    request.session.cycle_key()
    request.session[PENDING] = {
        "person": person.pk,
        "hash": person.get_session_auth_hash(),
        "at": time.time(),
        "to": to,
        "way": asdict(way),
    }
    return redirect("second-factor")


def _sign_in(request: HttpRequest, person: User, to: str, way: Way, **how: Any) -> HttpResponse:
    facts = how | ({"provider": way.title} if way.name else {})
    with transaction.atomic():
        login(request, person, backend=BACKEND)
        events.record("signed_in", person.username, **facts)
    request.session[PROVED] = time.time() if way.proved_at is None else way.proved_at
    if way.name:
        request.session[CAME_BY] = way.name
    if way.factor:
        request.session[second_factors.SHOWN] = True
    return redirect(to)


def _pending(request: HttpRequest) -> tuple[User, str, Way] | None:
    """Who has shown in this session, not long ago, who they are, where they wanted to go, and how they came."""
    kept = request.session.get(PENDING)
    if not kept or time.time() - kept["at"] > PENDING_SECONDS:
        return None
    person = User.objects.filter(pk=kept["person"], is_active=True).first()
    if person is None or person.get_session_auth_hash() != kept["hash"]:
        return None
    return person, kept["to"], Way(**kept.get("way", {}))


@sensitive_post_parameters("code", "answer")
@require_http_methods(["GET", "HEAD", "POST"])
@needs(ANYONE)
def second_factor(request: HttpRequest) -> HttpResponse:
    """The door's second half."""
    found = _pending(request)
    if found is None:
        return redirect("signin")
    person, to, way = found
    problem, status = "", 200
    until = tries.barred_until(*tries.of_factor(person))
    if request.method == "POST" and not until:
        try:
            how = _prove(request, person)
        except second_factors.WrongCode as wrong:
            problem, status = str(wrong), 422
            until = tries.count_wrong_code(request, person)
        else:
            tries.forget_codes(person)
            del request.session[PENDING]
            answer = _sign_in(request, person, to, way, factor=how)
            request.session[second_factors.SHOWN] = True
            return answer
    context: dict[str, Any] = {"problem": problem, "barred_until": until, "title": way.title}
    context["options"] = second_factors.begin_proof(person)
    page = render(request, "environments/second_factor.html", context, status=429 if until else status)
    page["Cache-Control"] = "no-store"
    return page


def _prove(request: HttpRequest, person: User) -> str:
    if answer := request.POST.get("answer", ""):
        second_factors.prove_by_passkey(person, answer)
        return "a passkey"
    second_factors.prove_by_code(person, request.POST.get("code", ""))
    return "a code"


def _person(request: HttpRequest) -> User:
    assert isinstance(request.user, User)
    return request.user


def _is_proved(request: HttpRequest) -> bool:
    return bool(time.time() - request.session.get(PROVED, 0.0) < PROVED_SECONDS)


@require_safe
@needs(SIGNED_IN)
def own(request: HttpRequest) -> HttpResponse:
    """One's own second factors."""
    return _show(request)


def _show(request: HttpRequest, *, status: int = 200, **more: Any) -> HttpResponse:
    person = _person(request)
    found, proved = second_factors.factors_of(person), _is_proved(request)
    context: dict[str, Any] = {
        "factors": found,
        "left": second_factors.codes_left(person) if found else 0,
        "proved": proved,
        "owed": second_factors.is_required_of(person) and not found,
        "has_app": any(factor.kind == "app" for factor in found),
    }
    if not proved:
        context["provers"] = list(SignInProvider.objects.filter(enabled=True, identities__user=person))
        context["has_password"] = person.has_usable_password() and passwords.open_for(person)
    if proved:
        context["options"] = second_factors.begin_passkey(person)
        if not context["has_app"]:
            secret = _secret_of_new_app(request)
            context |= {"secret": secret, "picture": mark_safe(second_factors.picture_of(person, secret))}
    return settings_pages.show(request, "second_factors", context | more, status=status)


def _secret_of_new_app(request: HttpRequest) -> str:
    """The same as long as the session lasts, so that a page that was read again fits what the app has."""
    try:
        secret = unseal(request.session.get(NEW_APP, ""))
    except CannotOpen:
        secret = ""
    if not secret:
        secret = second_factors.new_secret()
        request.session[NEW_APP] = seal(secret)
    return secret


@sensitive_post_parameters("password")
@require_POST
@needs(SIGNED_IN)
def prove_again(request: HttpRequest) -> HttpResponse:
    """The password once more, before something about signing in changes."""
    person = _person(request)
    if authenticate(request, username=person.username, password=request.POST.get("password", "")) == person:
        request.session[PROVED] = time.time()
    elif until := tries.barred_until(person.username, tries.address_of(request)):
        return _show(request, barred_until=until, status=429)
    else:
        messages.error(request, "This is not your password. Nothing was changed.")
    return redirect("second-factors")


def _change(request: HttpRequest, verb: Callable[[User], list[str]], told: str) -> HttpResponse:
    """Only shortly after the password; what codes come of it are shown on the page that answers and never again."""
    if not _is_proved(request):
        messages.error(request, "Type your password first: it is some time ago. Nothing was changed.")
        return redirect("second-factors")
    person = _person(request)
    try:
        codes = verb(person)
    except second_factors.FactorError as refusal:
        messages.error(request, str(refusal))
        return redirect("second-factors")
    messages.success(request, told)
    if not codes:
        return redirect("second-factors")
    return _show(request, codes=codes)


def _adding(request: HttpRequest, verb: Callable[[User], list[str]], told: str) -> HttpResponse:
    """Others' sessions end with the first one; this one stays, and has as good as shown it."""

    def add(person: User) -> list[str]:
        codes = verb(person)
        update_session_auth_hash(request, person)
        request.session[second_factors.SHOWN] = True
        return codes

    return _change(request, add, told)


@sensitive_post_parameters("code")
@require_POST
@needs(SIGNED_IN)
def add_app(request: HttpRequest) -> HttpResponse:
    def verb(person: User) -> list[str]:
        codes = second_factors.add_app(person, _secret_of_new_app(request), request.POST.get("code", ""))
        request.session.pop(NEW_APP, None)
        return codes

    return _adding(request, verb, "The app is added. From now on signing in asks for a code of it.")


@sensitive_post_parameters("answer")
@require_POST
@needs(SIGNED_IN)
def add_passkey(request: HttpRequest) -> HttpResponse:
    name, answer = request.POST.get("name", ""), request.POST.get("answer", "")
    return _adding(
        request,
        lambda person: second_factors.add_passkey(person, name, answer),
        "The passkey is added. From now on signing in asks for it.",
    )


@require_POST
@needs(SIGNED_IN)
def remove(request: HttpRequest, factor_id: int) -> HttpResponse:
    def verb(person: User) -> list[str]:
        second_factors.remove(person, factor_id)
        return []

    return _change(request, verb, "It is removed, and opens nothing any more.")


@require_POST
@needs(SIGNED_IN)
def renew_codes(request: HttpRequest) -> HttpResponse:
    return _change(request, second_factors.renew_codes, "The codes of before open nothing any more.")
