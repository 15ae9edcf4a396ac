"""What a click in Settings → People changes: thin doors onto verbs. Only by POST, with the CSRF token."""

from functools import partial

from django.contrib import messages
from django.core.exceptions import BadRequest
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.views.decorators.http import require_POST

from environments import mail, people, second_factors, settings_pages, tries
from environments.access import ADMINISTER, NotAllowed, needs
from environments.clicks import act, who
from environments.models import Role, User

REFUSALS = (people.PeopleError, second_factors.FactorError, mail.NotSent, NotAllowed)
_act = partial(act, refusals=REFUSALS)


def find_user(username: str) -> User:
    """Whom an address or a form names. Raises Http404."""
    found = User.objects.filter(username=username).first()
    if found is None:
        raise Http404(f"No person {username}.")
    return found


def _page_of(person: User) -> str:
    return reverse("settings-person", args=[person.username])


def _role(request: HttpRequest) -> str:
    role = request.POST.get("role", "")
    if role not in Role.values:
        raise BadRequest("No such role.")
    return role


def _tell_mailed(person: User) -> str:
    return f"A link to choose a password is mailed to {person.email}. It opens once, within three days."


@require_POST
@needs(ADMINISTER)
def invite(request: HttpRequest) -> HttpResponse:
    """A new person, and the link that is mailed, or handed over."""
    by, role = who(request), _role(request)
    words = {name: request.POST.get(name, "") for name in ("username", "full_name", "email")}
    try:
        made = people.invite(**words, role=role, by=by)
    except REFUSALS as refusal:
        messages.error(request, str(refusal))
        return redirect("settings-people")
    if not (mail.is_on() and made.email):
        return _with_link(request, made)
    return _act(request, "settings-people", lambda: mail.mail_link(made, by=by), _tell_mailed(made))


@require_POST
@needs(ADMINISTER)
def make_link(request: HttpRequest, username: str) -> HttpResponse:
    """A new link for someone who has lost the password, or the first link."""
    return _with_link(request, find_user(username))


def _with_link(request: HttpRequest, person: User) -> HttpResponse:
    """The page of people with a link that is shown this once."""
    try:
        words = people.link_of(person, by=who(request))
    except REFUSALS as refusal:
        messages.error(request, str(refusal))
        return redirect("settings-people")
    link = request.build_absolute_uri(reverse("join", args=words))
    context = settings_pages.people_context(request) | {"link": link, "linked": person}
    return settings_pages.show(request, "people", context)


@require_POST
@needs(ADMINISTER)
def mail_link(request: HttpRequest, username: str) -> HttpResponse:
    """A link to a new password, by mail."""
    found, by = find_user(username), who(request)
    return _act(request, _page_of(found), lambda: mail.mail_link(found, by=by), _tell_mailed(found))


@require_POST
@needs(ADMINISTER)
def set_role(request: HttpRequest, username: str) -> HttpResponse:
    """Give a person another role everywhere."""
    found, by, role = find_user(username), who(request), _role(request)
    told = f"{found.full_name} is {role} now."
    return _act(request, "settings-people", lambda: people.set_role(found, role, by=by), told)


@require_POST
@needs(ADMINISTER)
def disable(request: HttpRequest, username: str) -> HttpResponse:
    """Let a person in no more."""
    found, by = find_user(username), who(request)
    told = f"{found.full_name} and their tokens open nothing any more. What they did stays in the history."
    return _act(request, "settings-people", lambda: people.disable(found, by=by), told)


@require_POST
@needs(ADMINISTER)
def enable(request: HttpRequest, username: str) -> HttpResponse:
    """Let a person in again."""
    found, by = find_user(username), who(request)
    told = f"{found.full_name} may come in again."
    return _act(request, "settings-people", lambda: people.enable(found, by=by), told)


@require_POST
@needs(ADMINISTER)
def forget_tries(request: HttpRequest, username: str) -> HttpResponse:
    """Let a person try to sign in again at once."""
    found, by = find_user(username), who(request)
    told = f"{found.full_name} may try again at once. Wrong tries count from the beginning."
    return _act(request, _page_of(found), lambda: tries.forget(found, by=by), told)


@require_POST
@needs(ADMINISTER)
def set_email(request: HttpRequest, username: str) -> HttpResponse:
    """Where links for a person are mailed to."""
    found, by, address = find_user(username), who(request), request.POST.get("email", "")
    told = "The mail address is kept." if address.strip() else "The mail address is taken away."
    return _act(request, _page_of(found), lambda: people.set_email(found, address, by=by), told)


@require_POST
@needs(ADMINISTER)
def take_factors(request: HttpRequest, username: str) -> HttpResponse:
    """Of a person who has lost app, passkeys and codes."""
    found, by = find_user(username), who(request)
    told = f"{found.full_name} has no second factor any more, and is signed out everywhere."
    return _act(request, _page_of(found), lambda: second_factors.take_away(found, by=by), told)
