"""What a click in the settings changes: thin doors onto verbs. Only by POST, with the CSRF token."""

from functools import partial
from typing import TypeVar

from django.contrib import messages
from django.contrib.auth import update_session_auth_hash
from django.core.exceptions import BadRequest
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods, require_POST

from environments import keys, people, places, settings_pages, sight, tokens
from environments.access import ADMINISTER, ANYONE, SIGNED_IN, NotAllowed, needs
from environments.clicks import act, who
from environments.models import Application, Environment, Region, Token, Zone
from environments.people_actions import find_user
from environments.second_factor_pages import begin_session

REFUSALS = (
    *(people.PeopleError, places.PlaceError, tokens.UserDisabled, tokens.NoName, tokens.WrongScope, tokens.WrongDays),
    *(keys.KeyNotUsable, NotAllowed),
)
_act = partial(act, refusals=REFUSALS)
Named = TypeVar("Named", Environment, Region)


@sensitive_post_parameters("password", "again")
@require_http_methods(["GET", "HEAD", "POST"])
@needs(ANYONE)
def join(request: HttpRequest, key: str, token: str) -> HttpResponse:
    """Choose a password by a link that opens once. Looking at it spends nothing, so that no preview in a chat does."""
    problems: list[str] = []
    status = 200
    try:
        invited = people.find_invited(key, token)
        if request.method == "POST":
            password = request.POST.get("password", "")
            if password != request.POST.get("again", ""):
                raise people.WeakPassword(["The two are not the same. Type the password twice."])
            return begin_session(request, people.join(key, token, password), reverse("home"))
    except people.WeakPassword as weak:
        problems, status = weak.reasons, 422
    except people.LinkSpent as spent:
        invited, problems, status = None, [str(spent)], 410
    answer = render(request, "environments/join.html", {"invited": invited, "problems": problems}, status=status)
    answer["Cache-Control"] = "no-store"
    return answer


@sensitive_post_parameters("old", "new", "again")
@require_POST
@needs(SIGNED_IN)
def change_password(request: HttpRequest) -> HttpResponse:
    """One's own password; other sessions end, this one stays."""
    person = who(request)

    def verb() -> None:
        if request.POST.get("new", "") != request.POST.get("again", ""):
            raise people.WeakPassword(["The two new ones are not the same. Nothing was changed."])
        people.change_password(person, old=request.POST.get("old", ""), new=request.POST.get("new", ""))
        update_session_auth_hash(request, person)

    return _act(
        request, "settings", verb, "Your password is changed. Wherever else you were signed in, you are not now."
    )


@require_POST
@needs(SIGNED_IN)
def set_day_end(request: HttpRequest) -> HttpResponse:
    """When one's own working day ends: locks offer it as their end."""
    at = request.POST.get("at", "")
    told = f"Your working day ends at {at}. Locks that you hold already keep their end."
    return _act(request, "settings", lambda: people.set_day_end(who(request), at), told)


def _application(request: HttpRequest) -> Application | None:
    """The one that was chosen, of those that one may view; None: all."""
    name = request.POST.get("application", "")
    if not name:
        return None
    found = Application.objects.filter(sight.of_applications(who(request)), name=name).first()
    if found is None:
        raise Http404(f"No application {name}.")
    return found


@require_POST
@needs(SIGNED_IN)
def make_token(request: HttpRequest) -> HttpResponse:
    """A new token, shown on the page that answers and never again."""
    person = who(request)
    days = request.POST.get("days", "")
    if days not in {str(number) for number, _ in settings_pages.LIFETIMES}:
        raise BadRequest("No such lifetime.")
    wanted = request.POST.get("user", "") or person.username
    try:
        plain = tokens.make(
            user=find_user(wanted),
            name=request.POST.get("name", ""),
            days=int(days) or None,
            scopes=request.POST.getlist("scope"),
            application=_application(request),
            machine=request.POST.get("machine") == "yes",
            by=person,
        )
    except REFUSALS as refusal:
        messages.error(request, str(refusal))
        return redirect("settings-tokens")
    context = settings_pages.tokens_context(request) | {"plain": plain, "owner": wanted}
    return settings_pages.show(request, "tokens", context)


@require_POST
@needs(SIGNED_IN)
def revoke_token(request: HttpRequest, token_id: int) -> HttpResponse:
    """From now on it opens nothing."""
    found = Token.objects.select_related("user").filter(pk=token_id).first()
    if found is None:
        raise Http404("No such token.")
    told = f"The token {found.name or found.pk} opens nothing any more."
    return _act(request, "settings-tokens", lambda: tokens.withdraw(found, by=who(request)), told)


@sensitive_post_parameters("private")
@require_POST
@needs(ADMINISTER)
def upload_key(request: HttpRequest) -> HttpResponse:
    """Sign in to hosts with a key that exists already."""
    private = request.POST.get("private", "").strip().replace("\r\n", "\n") + "\n"
    told = "The Deployer signs in with this key from now on. Its public line is below."
    return _act(request, "settings-keys", lambda: keys.upload_key_pair(private, by=who(request).username), told)


@require_POST
@needs(ADMINISTER)
def add_environment(request: HttpRequest) -> HttpResponse:
    """A new environment, the last in the order."""
    name = request.POST.get("name", "").strip()
    told = f"{name} is added, as the last. Give it hosts next."
    return _act(request, "settings-environments", lambda: places.add_environment(name, by=who(request)), told)


@require_POST
@needs(ADMINISTER)
def move_environment(request: HttpRequest, name: str) -> HttpResponse:
    """One place up or down."""
    found = _named(Environment, name)
    up = request.POST.get("to") == "up"
    told = "The order is changed."
    return _act(request, "settings-environments", lambda: places.move_environment(found, by=who(request), up=up), told)


@require_POST
@needs(ADMINISTER)
def remove_environment(request: HttpRequest, name: str) -> HttpResponse:
    """Only an empty one."""
    found = _named(Environment, name)
    told = f"{name} is removed."
    return _act(request, "settings-environments", lambda: places.remove_environment(found, by=who(request)), told)


@require_POST
@needs(ADMINISTER)
def add_region(request: HttpRequest) -> HttpResponse:
    """A new region."""
    name = request.POST.get("name", "").strip()
    return _act(request, "settings-regions", lambda: places.add_region(name, by=who(request)), f"{name} is added.")


@require_POST
@needs(ADMINISTER)
def change_region(request: HttpRequest, name: str) -> HttpResponse:
    """How hosts of a region are reached."""
    found = _named(Region, name)

    def verb() -> None:
        places.change_region(
            found,
            queue=request.POST.get("queue", "").strip(),
            gateway=request.POST.get("gateway", "").strip(),
            gateway_user=request.POST.get("gateway_user", "").strip() or found.gateway_user,
            by=who(request),
        )

    return _act(request, "settings-regions", verb, f"{name} is changed.")


@require_POST
@needs(ADMINISTER)
def remove_region(request: HttpRequest, name: str) -> HttpResponse:
    """Only an empty one."""
    found = _named(Region, name)
    told = f"{name} is removed."
    return _act(request, "settings-regions", lambda: places.remove_region(found, by=who(request)), told)


@require_POST
@needs(ADMINISTER)
def add_zone(request: HttpRequest, name: str) -> HttpResponse:
    """A new zone of a region."""
    found, zone = _named(Region, name), request.POST.get("name", "").strip()
    told = f"{name}/{zone} is added."
    return _act(request, "settings-regions", lambda: places.add_zone(found, zone, by=who(request)), told)


@require_POST
@needs(ADMINISTER)
def remove_zone(request: HttpRequest, name: str, zone: str) -> HttpResponse:
    """Only an empty one."""
    found = Zone.objects.select_related("region").filter(region__name=name, name=zone).first()
    if found is None:
        raise Http404(f"No zone {name}/{zone}.")
    told = f"{name}/{zone} is removed."
    return _act(request, "settings-regions", lambda: places.remove_zone(found, by=who(request)), told)


def _named(model: type[Named], name: str) -> Named:
    found = model._default_manager.filter(name=name).first()
    if found is None:
        raise Http404(f"Nothing is called {name}.")
    return found
