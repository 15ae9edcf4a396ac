"""What a click in Settings → Teams and Settings → Permissions changes: thin doors onto verbs, only by POST."""

from functools import partial

from django.core.exceptions import BadRequest
from django.http import Http404, HttpRequest, HttpResponse
from django.views.decorators.http import require_POST

from environments import granting, places, sight, teams
from environments.access import ADMINISTER, NotAllowed, administered, needs
from environments.addresses import anywhere, of_environment
from environments.clicks import act, who
from environments.models import Application, Environment, Grant, Role, Team, User

REFUSALS = (teams.TeamError, granting.GrantError, places.PlaceError, NotAllowed)
_act = partial(act, refusals=REFUSALS)


def _team(name: str) -> Team:
    found = Team.objects.filter(name=name).first()
    if found is None:
        raise Http404(f"No team {name}.")
    return found


@require_POST
@needs(ADMINISTER)
def make_team(request: HttpRequest) -> HttpResponse:
    """A team without members."""

    def verb() -> str:
        made = teams.make(request.POST.get("name", "").strip(), by=who(request))
        return f"The team {made.name} is made. Add its members next."

    return _act(request, "settings-teams", verb)


@require_POST
@needs(ADMINISTER)
def rename_team(request: HttpRequest, team: str) -> HttpResponse:
    """Another name; members and what the team may stay."""
    found, name = _team(team), request.POST.get("name", "").strip()

    def verb() -> str:
        teams.rename(found, name, by=who(request))
        return f"The team is called {name} now."

    return _act(request, "settings-teams", verb)


@require_POST
@needs(ADMINISTER)
def remove_team(request: HttpRequest, team: str) -> HttpResponse:
    """With what it was granted."""
    found = _team(team)

    def verb() -> str:
        teams.remove(found, by=who(request))
        return f"The team {found.name} is removed, and with it what it was granted."

    return _act(request, "settings-teams", verb)


@require_POST
@needs(ADMINISTER)
def add_member(request: HttpRequest, team: str) -> HttpResponse:
    """A person by their user name."""
    found = _team(team)

    def verb() -> str:
        person = teams.find_person(request.POST.get("username", ""))
        teams.add_member(found, person, by=who(request))
        return f"{person.full_name} is in {found.name}, and may what it may."

    return _act(request, "settings-teams", verb)


@require_POST
@needs(ADMINISTER)
def remove_member(request: HttpRequest, team: str, username: str) -> HttpResponse:
    """What came by the team ends at once."""
    found, person = _team(team), User.objects.filter(username=username).first()
    if person is None:
        raise Http404(f"No person {username}.")

    def verb() -> str:
        teams.remove_member(found, person, by=who(request))
        return f"{person.full_name} is in {found.name} no more."

    return _act(request, "settings-teams", verb)


@require_POST
@needs(ADMINISTER)
def set_everyones(request: HttpRequest) -> HttpResponse:
    """What everyone who is signed in may."""
    unprotected, protected = request.POST.get("unprotected", ""), request.POST.get("protected", "")

    def verb() -> str:
        granting.set_everyones(unprotected=unprotected, protected=protected, by=who(request))
        return f"Everyone is {unprotected} now, and {protected} where it is protected."

    return _act(request, "settings-permissions", verb)


@require_POST
@needs(ADMINISTER, of_environment)
def protect_environment(request: HttpRequest, name: str) -> HttpResponse:
    """The one switch: whether what everyone may ends here."""
    found, wanted = Environment.objects.filter(name=name).first(), request.POST.get("protected", "")
    if found is None:
        raise Http404(f"No environment {name}.")
    if wanted not in ("yes", "no"):
        raise BadRequest("Protected is yes or no.")

    def verb() -> str:
        places.protect_environment(found, by=who(request), protected=wanted == "yes")
        if wanted == "yes":
            return f"{name} is protected: there counts only what somebody was given by name or by team."
        return f"{name} is open: everyone may there what everyone may."

    return _act(request, "settings-permissions", verb)


@require_POST
@needs(ADMINISTER, anywhere)
def give_grant(request: HttpRequest) -> HttpResponse:
    """A role for a person or a team, in the place that was chosen."""
    words, role = request.POST.get("holder", ""), request.POST.get("role", "")
    application, environment = _place(request)

    def verb() -> str:
        holder = _holder(words)
        granting.give(holder, role, application=application, environment=environment, by=who(request))
        name = holder.full_name if isinstance(holder, User) else f"The team {holder.name}"
        return f"{name} is {Role(role)} {granting.tell_place(application, environment)}."

    return _act(request, "settings-permissions", verb)


@require_POST
@needs(ADMINISTER, anywhere)
def take_grant(request: HttpRequest, grant_id: int) -> HttpResponse:
    """From now on it gives nothing."""
    rows = Grant.objects.select_related("person", "team", "application", "environment")
    found = rows.filter(administered(who(request)), pk=grant_id).first()
    if found is None:
        raise Http404("No such grant.")

    def verb() -> str:
        granting.take_away(found, by=who(request))
        name = found.person.full_name if found.person else f"the team {found.team}"
        return f"Taken from {name}: {found.role} {granting.tell_place(found.application, found.environment)}."

    return _act(request, "settings-permissions", verb)


def _holder(words: str) -> User | Team:
    """`person:ada` or `team:payments`, as lists send it; `ada`, as somebody types it. Raises NoSuchPerson of that."""
    kind, colon, name = words.strip().partition(":")
    if not colon:
        return teams.find_person(words)
    if kind == "team":
        return _team(name)
    found = User.objects.filter(username=name, is_active=True).first() if kind == "person" else None
    if found is None:
        raise Http404(f"No person {name}.")
    return found


def _place(request: HttpRequest) -> tuple[Application | None, Environment | None]:
    """What was chosen, of what one may view; empty: all."""
    person = who(request)
    if not {"application", "environment"} <= set(request.POST):
        raise BadRequest("Where is not told; all of it is an empty word.")  # a field that is lost gives nothing away
    names = request.POST["application"], request.POST["environment"]
    application = Application.objects.filter(sight.of_applications(person), name=names[0]).first()
    environment = Environment.objects.filter(sight.of_environments(person), name=names[1]).first()
    if (names[0] and application is None) or (names[1] and environment is None):
        raise Http404("No such application or environment.")
    return application, environment
