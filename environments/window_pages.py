"""Settings → Windows: when environments take deploys, and freezes. Thin doors onto verbs; changes only by POST."""

from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial

from django.conf import settings
from django.http import Http404, HttpRequest, HttpResponse
from django.views.decorators.http import require_POST, require_safe

from environments import locks, sight, windows
from environments.access import ADMINISTER, MAINTAIN, VIEW, NotAllowed, allows, allows_somewhere, needs
from environments.addresses import anywhere, of_environment
from environments.clicks import act, who
from environments.locks.ends import find_zone
from environments.models import Environment, Freeze, Outside, Target, User
from environments.settings_pages import show

REFUSALS = (windows.WindowError, locks.LockError, NotAllowed)
_act = partial(act, refusals=REFUSALS)
MOST_PLACES = 200  # environments on the page, freezes on it, targets to choose from


@dataclass(frozen=True)
class Place:
    """An environment with its windows and its next two weeks, in the zone of its first window."""

    environment: Environment
    hours: list[windows.Window]
    zone: str
    days: list[windows.Day]
    state: str
    open: bool
    may_change: bool


@require_safe
@needs(VIEW, anywhere)
def all_windows(request: HttpRequest) -> HttpResponse:
    """Freezes, and the two weeks to come of each environment."""
    person = who(request)
    freezes = list(windows.to_come().filter(windows.visible(person))[:MOST_PLACES])
    rows = Environment.objects.filter(sight.of_environments(person)).order_by("position", "name")
    context = {
        "places": [_place(row, freezes, person) for row in rows[:MOST_PLACES]],
        "freezes": [(row, row.starts <= locks.clock(), windows.may_lift(row, person)) for row in freezes],
        "scopes": _scopes(person),
        "outsides": Outside.choices,
        "weekdays": [(number, windows.tell_days((number,))) for number in range(1, 8)],
        "zone": settings.TIME_ZONE,
    }
    return show(request, "windows", context)


def _place(environment: Environment, freezes: list[Freeze], person: User) -> Place:
    hours, now = windows.windows_of(environment.windows), locks.clock()
    zone = hours[0].zone if hours else settings.TIME_ZONE
    # those of a single target are told above, and are not the environment's
    about = [row for row in freezes if row.target_id is None and row.environment_id in (None, environment.pk)]
    frozen = next((row for row in about if row.starts <= now), None)
    opened = windows.is_open(hours, now)
    if frozen is not None:
        state = "frozen"
    elif opened:
        state = "open now" if hours else "open at any time"
    else:
        opens = windows.next_opening(hours, now)
        state = f"opens {opens.astimezone(find_zone(zone)):%a %d %b %H:%M}" if opens else "closed"
    days = windows.read_fortnight(hours, about, now=now, zone=zone)
    may = allows(person, ADMINISTER, environment=environment)
    return Place(environment, hours, zone, days, state, opened and frozen is None, may)


def _scopes(person: User) -> list[str]:
    """What the person may freeze, the widest first."""
    if not allows_somewhere(person, MAINTAIN):
        return []
    everything = [locks.ALL.text] if allows(person, MAINTAIN) else []
    rows = Environment.objects.filter(sight.of_environments(person)).order_by("position", "name")
    places = [row.name for row in rows[:MOST_PLACES] if allows(person, MAINTAIN, environment=row)]
    found = Target.objects.filter(sight.of_targets(person), name="").select_related("application", "environment")
    targets = [row.slug for row in found[:MOST_PLACES] if allows(person, MAINTAIN, row)]
    return [*everything, *places, *targets]


def _environment_or_404(name: str) -> Environment:
    found = Environment.objects.filter(name=name).first()
    if found is None:
        raise Http404(f"No environment {name}.")
    return found


@require_POST
@needs(ADMINISTER, of_environment)
def add_window(request: HttpRequest, name: str) -> HttpResponse:
    """One more window of an environment."""
    environment, posted = _environment_or_404(name), request.POST

    def verb() -> str:
        days = [int(day) for day in posted.getlist("day") if day.isdecimal() and len(day) == 1]
        times = {"from": posted.get("from"), "to": posted.get("to"), "zone": posted.get("zone", "").strip()}
        window = windows.read_window({"days": days, **times})
        windows.set_windows(environment, [*windows.windows_of(environment.windows), window], by=who(request))
        return f"{environment.name} takes deploys {window.words}."

    return _act(request, "windows", verb)


@require_POST
@needs(ADMINISTER, of_environment)
def remove_window(request: HttpRequest, name: str) -> HttpResponse:
    """A window less, told by its words: somebody else may have changed their order."""
    environment, words = _environment_or_404(name), request.POST.get("window", "")

    def verb() -> str:
        there = windows.windows_of(environment.windows)
        left = [window for window in there if window.words != words]
        windows.set_windows(environment, left, by=who(request))
        told = "at any time" if not left else "in the windows that are left"
        return f"{environment.name} takes deploys {told}." if left != there else f"There is no window {words[:80]}."

    return _act(request, "windows", verb)


@require_POST
@needs(ADMINISTER, of_environment)
def set_outside(request: HttpRequest, name: str) -> HttpResponse:
    """What becomes of automatic deploys outside of the windows and in a freeze."""
    environment = _environment_or_404(name)

    def verb() -> str:
        outside, hours = request.POST.get("outside", ""), windows.windows_of(environment.windows)
        windows.set_windows(environment, hours, outside=outside, by=who(request))
        return f"An automatic deploy to {environment.name} at a closed time: {Outside(outside).label}."

    return _act(request, "windows", verb)


@require_POST
@needs(MAINTAIN, anywhere)
def make_freeze(request: HttpRequest) -> HttpResponse:
    """Nothing new goes out there for a time."""
    text, posted = request.POST.get("scope", ""), request.POST
    try:
        scope = locks.find(text, viewer=who(request))
    except locks.NothingToLock as missing:
        raise Http404(str(missing)) from None

    def verb() -> str:
        zone = posted.get("zone", "")
        starts = _moment(posted.get("starts", ""), zone) if posted.get("starts") else None
        ends = _moment(posted.get("ends", ""), zone)
        made = windows.freeze(scope, by=who(request), reason=posted.get("reason", ""), starts=starts, ends=ends)
        return f"Nothing new goes to {made.place} in that time."

    return _act(request, "windows", verb)


def _moment(text: str, zone: str) -> datetime:
    """A date and time as a browser's field gives it, in the zone of the browser. Raises WrongFreeze."""
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        raise windows.WrongFreeze(f"{text[:40]!r} is no date and time. Nothing was changed.") from None
    return (at if at.tzinfo else at.replace(tzinfo=find_zone(zone))).astimezone(UTC)


@require_POST
@needs(MAINTAIN, anywhere)
def lift_freeze(request: HttpRequest, freeze_id: int) -> HttpResponse:
    """End a freeze early, or call it off."""
    found = windows.find_freeze(freeze_id, viewer=who(request))
    if found is None:
        raise Http404(f"No freeze {freeze_id}.")

    def verb() -> str:
        windows.lift(found, by=who(request))
        return f"The freeze of {found.place} is lifted."

    return _act(request, "windows", verb)
