"""Settings → Teams and Settings → Permissions as they are read; permission_actions holds what changes something."""

from collections.abc import Sequence
from typing import Any

from django.db.models import Count, Prefetch, Q, QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.views.decorators.http import require_safe

from environments import sight
from environments.access import ADMINISTER, SIGNED_IN, administered, allows, needs
from environments.addresses import anywhere
from environments.choices import offer
from environments.models import GRANTED_ROLES, Environment, Grant, Target, Team, User
from environments.models.grants import EVERYONES_ROLES
from environments.parts import part_of
from environments.rights import Everyone, everyone, place_of
from environments.settings_pages import show
from environments.who_may import WhoMay, who_may

GRANTS, TEAMS = 30, 20  # on one page; a team is a form for each of its members


def _person(request: HttpRequest) -> User:
    assert isinstance(request.user, User)
    return request.user


def _asked(request: HttpRequest) -> str:
    return request.GET.get("q", "").strip()[:100]


@require_safe
@needs(SIGNED_IN)
def teams(request: HttpRequest) -> HttpResponse:
    """For administrators all teams, with what changes them; for others those they are in."""
    may, q = allows(request.user, ADMINISTER), _asked(request)
    rows = (
        Team.objects.annotate(number=Count("grants")).prefetch_related(Prefetch("members", _named())).order_by("name")
    )
    if not may:
        rows = rows.filter(pk__in=Team.objects.filter(members=_person(request)).order_by().values("pk"))
    if q:
        rows = rows.filter(name__icontains=q.lower())
    part = part_of(request, rows, TEAMS)
    context = {"teams": part.pop("found"), "q": q, "people": offer("people", _person(request)) if may else None}
    return show(request, "teams", context | part)


@require_safe
@needs(ADMINISTER, anywhere)
def permissions(request: HttpRequest) -> HttpResponse:
    """What everyone may, what is protected, who was granted what; of that what one administers."""
    person, base = _person(request), everyone()
    every = list(Environment.objects.order_by("position", "name"))
    places = [
        (row, base.role_in(place_of(environment=row))) for row in every if allows(person, ADMINISTER, environment=row)
    ]
    context = {"everyone": base, "everyones_roles": EVERYONES_ROLES, "places": places, "roles": GRANTED_ROLES}
    told = _told(request, person, base)
    return show(request, "permissions", context | _grants(request) | _choices(person, every) | told)


def _grants(request: HttpRequest) -> dict[str, Any]:
    """What was granted, as far as one administers where it counts, the widest first."""
    q = _asked(request)
    names = ("person__username", "team__name", "application__name", "environment__name")
    shown = ("role", "given_by", "given_at", "person__first_name", "person__last_name", "person__is_active", *names)
    rows = Grant.objects.filter(administered(_person(request)))
    rows = rows.select_related("person", "team", "application", "environment").only(*shown)
    if q:
        wanted = Q()
        for name in names:
            wanted |= Q(**{f"{name}__icontains": q.lower()})
        rows = rows.filter(wanted)
    order = ("application__name", "environment__position", "team__name", "person__username", "pk")
    part = part_of(request, rows.order_by(*order), GRANTS)
    return {"grants": part.pop("found"), "q": q, **part}


def _choices(person: User, every: Sequence[Environment]) -> dict[str, Any]:
    """What the form of a new grant offers."""
    if not sight.sees_all(person):
        every = list(Environment.objects.filter(sight.of_environments(person)).order_by("position", "name"))
    return {
        "holders": offer("holders", person),
        "applications": offer("applications", person),
        "environments": [row.name for row in every],
    }


def _told(request: HttpRequest, person: User, base: Everyone) -> dict[str, Any]:
    """Who may do what at the chosen target; without a choice at the first one."""
    targets = Target.objects.filter(administered(person))
    words = ("application__name", "environment__name", "name")
    offered = offer("targets", person)
    slug = request.GET.get("at", "").strip() or next((slug for slug, _ in offered.pairs), "")
    named = dict(zip(words, (*slug.split("/", 2), "", ""), strict=False))
    chosen = targets.filter(**named).select_related("application", "environment").order_by().first() if slug else None
    if chosen is None and slug:
        raise Http404(f"No target {slug}.")
    told: WhoMay | None = who_may(chosen, base) if chosen else None
    return {"targets": offered, "chosen": chosen, "told": told}


def _named() -> QuerySet[User]:
    """People with no more than pages tell of them in lists."""
    return User.objects.only("username", "first_name", "last_name", "is_active")
