"""What a click in the settings changes: thin doors onto verbs. Only by POST, with the CSRF token."""

from collections.abc import Callable
from typing import TypeVar

from django.contrib import messages
from django.contrib.auth import update_session_auth_hash
from django.core.exceptions import BadRequest
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods, require_POST

from environments import keys, mail, people, places, second_factors, settings_pages, sight, tokens, tries
from environments.access import ADMINISTER, ANYONE, SIGNED_IN, NotAllowed, needs
from environments.models import Application, Environment, Region, Role, Token, User, Zone
from environments.second_factor_pages import begin_session

REFUSALS = (
    *(people.PeopleError, places.PlaceError, tokens.UserDisabled, tokens.NoName, tokens.WrongScope, tokens.WrongDays),
    *(keys.KeyNotUsable, second_factors.FactorError, mail.NotSent, NotAllowed),
)
Named = TypeVar("Named", Environment, Region)


def _person(request: HttpRequest) -> User:
    assert isinstance(request.user, User)
    return request.user


def _act(request: HttpRequest, to: str, verb: Callable[[], object], told: str) -> HttpResponse:
    """Run a verb and come back to the page, with what was done or why it was not."""
    try:
        verb()
    except REFUSALS as refusal:
        messages.error(request, str(refusal))
    else:
        messages.success(request, told)
    return redirect(to)


def _user(username: str) -> User:
    found = User.objects.filter(username=username).first()
    if found is None:
        raise Http404(f"No person {username}.")
    return found


@require_POST
@needs(ADMINISTER)
def invite(request: HttpRequest) -> HttpResponse:
    """A new person, and the link that is handed over."""
    role = _role(request)
    try:
        made = people.invite(
            username=request.POST.get("username", ""),
            full_name=request.POST.get("full_name", ""),
            role=role,
            email=request.POST.get("email", ""),
            by=_person(request),
        )
    except REFUSALS as refusal:
        messages.error(request, str(refusal))
        return redirect("settings-people")
    if not (mail.is_on() and made.email):
        return _with_link(request, made)
    told = f"A link to choose a password is mailed to {made.email}. It opens once, within three days."
    return _act(request, "settings-people", lambda: mail.mail_link(made, by=_person(request)), told)


@require_POST
@needs(ADMINISTER)
def make_link(request: HttpRequest, username: str) -> HttpResponse:
    """A new link for someone who has lost the password, or the first link."""
    return _with_link(request, _user(username))


def _with_link(request: HttpRequest, person: User) -> HttpResponse:
    """The page of people with a link that is shown this once."""
    try:
        words = people.link_of(person, by=_person(request))
    except REFUSALS as refusal:
        messages.error(request, str(refusal))
        return redirect("settings-people")
    link = request.build_absolute_uri(reverse("join", args=words))
    context = settings_pages.people_context(request) | {"link": link, "linked": person}
    return settings_pages.show(request, "people", context)


def _role(request: HttpRequest) -> str:
    role = request.POST.get("role", "")
    if role not in Role.values:
        raise BadRequest("No such role.")
    return role


@require_POST
@needs(ADMINISTER)
def set_role(request: HttpRequest, username: str) -> HttpResponse:
    """Make a person a viewer, deployer or administrator."""
    found, role = _user(username), _role(request)
    told = f"{found.full_name} is {role} now."
    return _act(request, "settings-people", lambda: people.set_role(found, role, by=_person(request)), told)


@require_POST
@needs(ADMINISTER)
def disable(request: HttpRequest, username: str) -> HttpResponse:
    """Let a person in no more."""
    found = _user(username)
    told = f"{found.full_name} and their tokens open nothing any more. What they did stays in the history."
    return _act(request, "settings-people", lambda: people.disable(found, by=_person(request)), told)


@require_POST
@needs(ADMINISTER)
def enable(request: HttpRequest, username: str) -> HttpResponse:
    """Let a person in again."""
    found = _user(username)
    told = f"{found.full_name} may come in again."
    return _act(request, "settings-people", lambda: people.enable(found, by=_person(request)), told)


@require_POST
@needs(ADMINISTER)
def forget_tries(request: HttpRequest, username: str) -> HttpResponse:
    """Let a person try to sign in again at once."""
    found = _user(username)
    told = f"{found.full_name} may try again at once. Wrong tries count from the beginning."
    to = reverse("settings-person", args=[username])
    return _act(request, to, lambda: tries.forget(found, by=_person(request)), told)


@require_POST
@needs(ADMINISTER)
def set_email(request: HttpRequest, username: str) -> HttpResponse:
    """Where links for a person are mailed to."""
    found, address = _user(username), request.POST.get("email", "")
    told = "The mail address is kept." if address.strip() else "The mail address is taken away."
    to = reverse("settings-person", args=[username])
    return _act(request, to, lambda: people.set_email(found, address, by=_person(request)), told)


@require_POST
@needs(ADMINISTER)
def mail_link(request: HttpRequest, username: str) -> HttpResponse:
    """A link to a new password, by mail."""
    found = _user(username)
    told = f"A link to choose a password is mailed to {found.email}. It opens once, within three days."
    to = reverse("settings-person", args=[username])
    return _act(request, to, lambda: mail.mail_link(found, by=_person(request)), told)


@require_POST
@needs(ADMINISTER)
def take_factors(request: HttpRequest, username: str) -> HttpResponse:
    """Of a person who has lost app, passkeys and codes."""
    found = _user(username)
    told = f"{found.full_name} has no second factor any more, and is signed out everywhere."
    to = reverse("settings-person", args=[username])
    return _act(request, to, lambda: second_factors.take_away(found, by=_person(request)), told)


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
    person = _person(request)

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
    return _act(request, "settings", lambda: people.set_day_end(_person(request), at), told)


def _application(request: HttpRequest) -> Application | None:
    """The one that was chosen, of those that one may view; None: all."""
    name = request.POST.get("application", "")
    if not name:
        return None
    found = Application.objects.filter(sight.of_applications(_person(request)), name=name).first()
    if found is None:
        raise Http404(f"No application {name}.")
    return found


@require_POST
@needs(SIGNED_IN)
def make_token(request: HttpRequest) -> HttpResponse:
    """A new token, shown on the page that answers and never again."""
    person = _person(request)
    days = request.POST.get("days", "")
    if days not in {str(number) for number, _ in settings_pages.LIFETIMES}:
        raise BadRequest("No such lifetime.")
    wanted = request.POST.get("user", "") or person.username
    try:
        plain = tokens.make(
            user=_user(wanted),
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
    return _act(request, "settings-tokens", lambda: tokens.withdraw(found, by=_person(request)), told)


@sensitive_post_parameters("private")
@require_POST
@needs(ADMINISTER)
def upload_key(request: HttpRequest) -> HttpResponse:
    """Sign in to hosts with a key that exists already."""
    private = request.POST.get("private", "").strip().replace("\r\n", "\n") + "\n"
    told = "The Deployer signs in with this key from now on. Its public line is below."
    return _act(request, "settings-keys", lambda: keys.upload_key_pair(private, by=_person(request).username), told)


@require_POST
@needs(ADMINISTER)
def add_environment(request: HttpRequest) -> HttpResponse:
    """A new environment, the last in the order."""
    name = request.POST.get("name", "").strip()
    told = f"{name} is added, as the last. Give it hosts next."
    return _act(request, "settings-environments", lambda: places.add_environment(name, by=_person(request)), told)


@require_POST
@needs(ADMINISTER)
def move_environment(request: HttpRequest, name: str) -> HttpResponse:
    """One place up or down."""
    found = _named(Environment, name)
    up = request.POST.get("to") == "up"
    told = "The order is changed."
    return _act(
        request, "settings-environments", lambda: places.move_environment(found, by=_person(request), up=up), told
    )


@require_POST
@needs(ADMINISTER)
def remove_environment(request: HttpRequest, name: str) -> HttpResponse:
    """Only an empty one."""
    found = _named(Environment, name)
    told = f"{name} is removed."
    return _act(request, "settings-environments", lambda: places.remove_environment(found, by=_person(request)), told)


@require_POST
@needs(ADMINISTER)
def add_region(request: HttpRequest) -> HttpResponse:
    """A new region."""
    name = request.POST.get("name", "").strip()
    return _act(request, "settings-regions", lambda: places.add_region(name, by=_person(request)), f"{name} is added.")


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
            by=_person(request),
        )

    return _act(request, "settings-regions", verb, f"{name} is changed.")


@require_POST
@needs(ADMINISTER)
def remove_region(request: HttpRequest, name: str) -> HttpResponse:
    """Only an empty one."""
    found = _named(Region, name)
    told = f"{name} is removed."
    return _act(request, "settings-regions", lambda: places.remove_region(found, by=_person(request)), told)


@require_POST
@needs(ADMINISTER)
def add_zone(request: HttpRequest, name: str) -> HttpResponse:
    """A new zone of a region."""
    found, zone = _named(Region, name), request.POST.get("name", "").strip()
    told = f"{name}/{zone} is added."
    return _act(request, "settings-regions", lambda: places.add_zone(found, zone, by=_person(request)), told)


@require_POST
@needs(ADMINISTER)
def remove_zone(request: HttpRequest, name: str, zone: str) -> HttpResponse:
    """Only an empty one."""
    found = Zone.objects.select_related("region").filter(region__name=name, name=zone).first()
    if found is None:
        raise Http404(f"No zone {name}/{zone}.")
    told = f"{name}/{zone} is removed."
    return _act(request, "settings-regions", lambda: places.remove_zone(found, by=_person(request)), told)


def _named(model: type[Named], name: str) -> Named:
    found = model._default_manager.filter(name=name).first()
    if found is None:
        raise Http404(f"Nothing is called {name}.")
    return found
