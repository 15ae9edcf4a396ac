"""Who may come in, in which teams they are, and who was given which role where."""

from typing import Any

from django.conf import settings
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from ninja import Router, Status

from deployments.api.auth import Needs, caller_of
from deployments.api.paging import Cursor, Id, Name, Username, page
from deployments.api.people_schemas import (
    ChangePerson,
    Everyone,
    GiveGrant,
    GrantOut,
    Invite,
    InvitedOut,
    Link,
    NameOfTeam,
    PersonOut,
    Protection,
    TeamOut,
)
from deployments.api.problems import NotFound
from deployments.api.representation import represent_time
from deployments.api.schemas import Page, ProblemOut
from environments import granting, mail, people, places, rights, second_factors, sight, teams, tries
from environments.access import ADMINISTER, administered
from environments.models import Application, Came, Environment, Grant, Team, User

router = Router(tags=["people"])
_ADMINISTER = Needs(ADMINISTER, everywhere=True)
_REFUSED = {400: ProblemOut, 409: ProblemOut}


@router.get("/people", auth=_ADMINISTER, response=Page[PersonOut], summary="Everyone, the disabled too")
def list_people(request: HttpRequest, cursor: Cursor = "") -> dict[str, Any]:
    return page(User.objects.filter(hook=False).prefetch_related("teams"), key="pk", cursor=cursor, represent=_person)


@router.post("/people", auth=_ADMINISTER, response={201: InvitedOut, **_REFUSED}, summary="Invite a person")
def invite_person(request: HttpRequest, response: HttpResponse, payload: Invite) -> Status[Any]:
    """Hand the link over: by it they choose a password."""
    by = caller_of(request).user
    with transaction.atomic():
        made = people.invite(**payload.dict(), by=by)
        link = _link(made, by)
    response["Cache-Control"] = "no-store"
    return Status(201, _person(made) | link)


@router.put(
    "/people/{username}", auth=_ADMINISTER, response={200: PersonOut, **_REFUSED}, summary="Change role, or let in"
)
def change_person(request: HttpRequest, username: Username, payload: ChangePerson) -> dict[str, Any]:
    """Doing it twice is harmless. Of several changes either all are made or none."""
    found, by = _find_person(username), caller_of(request).user
    waits = found.came == Came.WAITING  # to give them the role that they have lets them do what everyone may
    with transaction.atomic():
        if payload.active is not None and payload.active != found.is_active:
            (people.enable if payload.active else people.disable)(found, by=by)
        if payload.role is not None and (payload.role != found.role or found.is_superuser or waits):
            people.set_role(found, payload.role, by=by)
        if payload.email is not None and payload.email.strip() != found.email:
            people.set_email(found, payload.email, by=by)
    return _person(_find_person(username))


@router.post(
    "/people/{username}/link", auth=_ADMINISTER, response={201: Link, **_REFUSED}, summary="A new link to a password"
)
def make_person_link(request: HttpRequest, response: HttpResponse, username: Username) -> Status[Any]:
    response["Cache-Control"] = "no-store"
    return Status(201, _link(_find_person(username), caller_of(request).user))


@router.post(
    "/people/{username}/mail",
    auth=_ADMINISTER,
    response={204: None, **_REFUSED},
    summary="Mail a link to a password",
)
def mail_person_link(request: HttpRequest, username: Username) -> Status[None]:
    """Where the installation sends mail, and an address of theirs is known."""
    mail.mail_link(_find_person(username), by=caller_of(request).user)
    return Status(204, None)


@router.delete("/people/{username}/tries", auth=_ADMINISTER, response={204: None}, summary="Let them try again at once")
def forget_person_tries(request: HttpRequest, username: Username) -> Status[None]:
    """Wrong passwords and codes count from the beginning. Doing it twice is harmless."""
    tries.forget(_find_person(username), by=caller_of(request).user)
    return Status(204, None)


@router.delete(
    "/people/{username}/factors", auth=_ADMINISTER, response={204: None, **_REFUSED}, summary="Take second factors away"
)
def take_person_factors(request: HttpRequest, username: Username) -> Status[None]:
    """Of who has lost them; their sessions end."""
    second_factors.take_away(_find_person(username), by=caller_of(request).user)
    return Status(204, None)


@router.get("/teams", auth=Needs(ADMINISTER), response=Page[TeamOut], summary="Teams and who is in them")
def list_teams(request: HttpRequest, cursor: Cursor = "") -> dict[str, Any]:
    """Who gives roles somewhere sees all teams, since they may be given to each."""
    return page(Team.objects.prefetch_related("members"), key="name", cursor=cursor, represent=_team)


@router.post("/teams", auth=_ADMINISTER, response={201: TeamOut, **_REFUSED}, summary="Make a team")
def add_team(request: HttpRequest, payload: NameOfTeam) -> Status[Any]:
    return Status(201, _team(teams.make(payload.name, by=caller_of(request).user)))


@router.put("/teams/{team}", auth=_ADMINISTER, response={200: TeamOut, **_REFUSED}, summary="Give it another name")
def change_team(request: HttpRequest, team: Name, payload: NameOfTeam) -> dict[str, Any]:
    """Members and what it was given stay."""
    found = _find_team(team)
    teams.rename(found, payload.name, by=caller_of(request).user)
    return _team(_find_team(payload.name))


@router.delete("/teams/{team}", auth=_ADMINISTER, response={204: None, **_REFUSED}, summary="Remove it")
def delete_team(request: HttpRequest, team: Name) -> Status[None]:
    """What it was given goes with it."""
    teams.remove(_find_team(team), by=caller_of(request).user)
    return Status(204, None)


@router.put(
    "/teams/{team}/members/{username}", auth=_ADMINISTER, response={200: TeamOut, **_REFUSED}, summary="Take someone in"
)
def put_member(request: HttpRequest, team: Name, username: Username) -> dict[str, Any]:
    """Doing it twice is harmless."""
    found, person = _find_team(team), _find_person(username)
    if person not in found.members.all():
        teams.add_member(found, teams.find_person(username), by=caller_of(request).user)
    return _team(_find_team(team))


@router.delete(
    "/teams/{team}/members/{username}",
    auth=_ADMINISTER,
    response={200: TeamOut, **_REFUSED},
    summary="Take someone out",
)
def delete_member(request: HttpRequest, team: Name, username: Username) -> dict[str, Any]:
    """What came by the team ends at once. Doing it twice is harmless."""
    found, person = _find_team(team), _find_person(username)
    if person in found.members.all():
        teams.remove_member(found, person, by=caller_of(request).user)
    return _team(_find_team(team))


@router.get("/grants", auth=Needs(ADMINISTER), response=Page[GrantOut], summary="Roles that were given, and where")
def list_grants(
    request: HttpRequest, person: Username | None = None, team: Name | None = None, cursor: Cursor = ""
) -> dict[str, Any]:
    """Those within what one administers."""
    wanted = {"person__username": person, "team__name": team}
    rows = _grants(caller_of(request).user).filter(**{field: value for field, value in wanted.items() if value})
    return page(rows, key="pk", cursor=cursor, represent=_grant)


@router.post("/grants", auth=Needs(ADMINISTER), response={201: GrantOut, **_REFUSED}, summary="Give a role")
def add_grant(request: HttpRequest, payload: GiveGrant) -> Status[Any]:
    """In place of another role that was given for the same place."""
    by = caller_of(request).user
    holder = _find_person(payload.person) if payload.person else _find_team(payload.team or "")
    application, environment = _place(by, payload)
    made = granting.give(holder, payload.role, application=application, environment=environment, by=by)
    return Status(201, _grant(_grants(by).get(pk=made.pk)))


@router.delete("/grants/{grant_id}", auth=Needs(ADMINISTER), response={204: None}, summary="Take a role away")
def delete_grant(request: HttpRequest, grant_id: Id) -> Status[None]:
    by = caller_of(request).user
    found = _grants(by).filter(pk=grant_id).first()
    if found is None:
        raise NotFound(f"There is no grant {grant_id}.")
    granting.take_away(found, by=by)
    return Status(204, None)


@router.get("/everyone", auth=Needs(ADMINISTER), response=Everyone, summary="What everyone who is signed in may")
def read_everyone(request: HttpRequest) -> dict[str, Any]:
    base = rights.everyone()
    return {"unprotected": base.unprotected, "protected": base.protected}


@router.put("/everyone", auth=_ADMINISTER, response={200: Everyone, **_REFUSED}, summary="Change it")
def change_everyone(request: HttpRequest, payload: Everyone) -> dict[str, Any]:
    granting.set_everyones(**payload.dict(), by=caller_of(request).user)
    return read_everyone(request)


@router.put(
    "/environments/{environment}/protected",
    auth=Needs(ADMINISTER),
    response={200: Protection, **_REFUSED},
    summary="Protect it, or open it",
)
def set_protection(request: HttpRequest, environment: Name, payload: Protection) -> dict[str, Any]:
    """In a protected environment what everyone may ends. Doing it twice is harmless."""
    by = caller_of(request).user
    found = Environment.objects.filter(sight.of_environments(by), name=environment).first()
    if found is None:
        raise NotFound(f"There is no environment {environment}.")
    places.protect_environment(found, by=by, protected=payload.protected)
    return {"protected": payload.protected}


def _link(person: User, by: User) -> dict[str, str]:
    return {"link": settings.BASE_URL + reverse("join", args=people.link_of(person, by=by))}


def _find_person(username: str) -> User:
    found = User.objects.prefetch_related("teams").filter(username=username).first()
    if found is None:
        raise NotFound(f"There is no person {username}.")
    return found


def _find_team(name: str) -> Team:
    found = Team.objects.prefetch_related("members").filter(name=name).first()
    if found is None:
        raise NotFound(f"There is no team {name}.")
    return found


def _place(by: User, payload: GiveGrant) -> tuple[Application | None, Environment | None]:
    """What was named, of what one may view."""
    application = Application.objects.filter(sight.of_applications(by), name=payload.application).first()
    if payload.application is not None and application is None:
        raise NotFound(f"There is no application {payload.application}. Nothing was changed.")
    environment = Environment.objects.filter(sight.of_environments(by), name=payload.environment).first()
    if payload.environment is not None and environment is None:
        raise NotFound(f"There is no environment {payload.environment}. Nothing was changed.")
    return application, environment


def _grants(by: User) -> Any:
    return Grant.objects.filter(administered(by)).select_related("person", "team", "application", "environment")


def _person(row: User) -> dict[str, Any]:
    return {
        "username": row.username,
        "full_name": row.full_name,
        "role": "administrator" if row.is_superuser else row.role,
        "active": row.is_active,
        "email": row.email,
        "teams": sorted(team.name for team in row.teams.all()),
    }


def _team(row: Team) -> dict[str, Any]:
    return {"name": row.name, "members": sorted(person.username for person in row.members.all())}


def _grant(row: Grant) -> dict[str, Any]:
    return {
        "id": row.pk,
        "person": row.person.username if row.person else None,
        "team": row.team.name if row.team else None,
        "role": row.role,
        "application": row.application.name if row.application else None,
        "environment": row.environment.name if row.environment else None,
        "given_by": row.given_by,
        "given_at": represent_time(row.given_at),
    }
