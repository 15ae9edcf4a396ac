"""What a field to choose from offers: all of them where they are few, else the first, and others as somebody types.

A long list becomes a field that suggests (static/js/choices.js asks for more); without a script it is a plain one.
"""

from collections.abc import Callable
from dataclasses import dataclass

from django.db.models import Q, QuerySet
from django.http import Http404, HttpRequest, JsonResponse
from django.views.decorators.http import require_safe

from environments import sight
from environments.access import ADMINISTER, SIGNED_IN, administered, allows_somewhere, needs
from environments.models import Application, Target, Team, User

MOST = 100  # names in one list
DEPLOYER = ("deployer", "The Deployer itself")

Pairs = list[tuple[str, str]]  # what is sent, and the words for it


@dataclass(frozen=True, slots=True)
class Offered:
    """The first of what can be chosen; `whole`: there is nothing else."""

    kind: str
    pairs: Pairs
    whole: bool


def offer(kind: str, person: User | None, q: str = "") -> Offered:
    """One query, two for holders. Whoever may not see such a list is offered nothing; None is the Deployer itself."""
    found = _KINDS[kind](person, q.strip()[:100])
    return Offered(kind, found[:MOST], len(found) <= MOST)


@require_safe
@needs(SIGNED_IN)
def choices(request: HttpRequest, what: str) -> JsonResponse:
    """What matches `q`, as pairs."""
    assert isinstance(request.user, User)
    if what not in _KINDS:
        raise Http404(f"There is nothing called {what} to choose from.")
    offered = offer(what, request.user, request.GET.get("q", ""))
    return JsonResponse({"found": offered.pairs}, headers={"Cache-Control": "no-store"})


def _people(person: User | None, q: str) -> Pairs:
    """Those who may come in, for who administers something or sees everything anyway."""
    if not (sight.sees_all(person) or allows_somewhere(person, ADMINISTER)):
        return []
    return _named(User.objects.filter(is_active=True), q)


def _owners(person: User | None, q: str) -> Pairs:
    """Of tokens: people, for who administers; what a source of hooks comes as has none."""
    if not allows_somewhere(person, ADMINISTER):
        return []
    return _named(User.objects.filter(is_active=True, hook=False), q)


def _actors(person: User | None, q: str) -> Pairs:
    """Everyone who can have done something, the Deployer itself too, for who sees all that was done."""
    own = [] if q and q.lower() not in DEPLOYER[1].lower() else [DEPLOYER]
    return own + _named(User.objects.all(), q) if sight.sees_all(person) else []


def _named(rows: QuerySet[User], q: str) -> Pairs:
    for word in q.split():
        named = Q(username__icontains=word) | Q(first_name__icontains=word) | Q(last_name__icontains=word)
        rows = rows.filter(named)
    rows = rows.only("username", "first_name", "last_name").order_by("username")
    return [(one.username, one.full_name) for one in rows[: MOST + 1]]


def _teams(person: User | None, q: str) -> Pairs:
    if not allows_somewhere(person, ADMINISTER):
        return []
    return _names(Team.objects.order_by("name"), q)


def _holders(person: User | None, q: str) -> Pairs:
    """Teams, then people: who can be given a role."""
    kind, colon, rest = q.partition(":")
    wanted = rest if colon and kind in ("person", "team") else q
    teams = [(f"team:{name}", name) for name, _ in _teams(person, wanted)] if kind != "person" or not colon else []
    if kind == "team" and colon:
        return teams
    return teams + [(f"person:{name}", words) for name, words in _people(person, wanted)]


def _applications(person: User | None, q: str) -> Pairs:
    return _names(Application.objects.filter(sight.of_applications(person)).order_by("name"), q)


def _targets(person: User | None, q: str) -> Pairs:
    """Those that one administers, by their slugs."""
    rows = Target.objects.filter(administered(person)) if person else Target.objects.all()
    for word in q.replace("/", " ").split():
        parts = Q(application__name__icontains=word) | Q(environment__name__icontains=word)
        rows = rows.filter(parts | Q(name__icontains=word))
    rows = rows.order_by("application__name", "environment__position", "name")
    slugs = rows.values_list("application__name", "environment__name", "name")[: MOST + 1]
    return [(slug, slug) for slug in ("/".join(filter(None, row)) for row in slugs)]


def _names(rows: "QuerySet[Team] | QuerySet[Application]", q: str) -> Pairs:
    names = rows.filter(name__icontains=q) if q else rows
    return [(name, name) for name in names.values_list("name", flat=True)[: MOST + 1]]


_KINDS: dict[str, Callable[[User | None, str], Pairs]] = {
    "people": _people,
    "owners": _owners,
    "actors": _actors,
    "teams": _teams,
    "holders": _holders,
    "applications": _applications,
    "targets": _targets,
}
