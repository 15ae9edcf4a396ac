"""The calendar of an environment, and what a click changes in it: thin doors onto verbs; changes only by POST."""

import re
from collections.abc import Callable
from datetime import UTC, date, datetime
from urllib.parse import urlencode

from django.contrib import messages
from django.core.exceptions import BadRequest
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.views.decorators.http import require_POST, require_safe

from deployments.answers import answer, tag_of
from deployments.host_pages import environment_or_404
from deployments.lock_pages import LOCK_REFUSALS, team_named
from deployments.page_actions import person
from deployments.page_queries.calendar import read_calendar
from environments import locks
from environments.access import LOCK, VIEW, needs
from environments.addresses import anywhere, of_environment
from environments.models import Reservation
from environments.validation import NAME


@require_safe
@needs(VIEW, of_environment)
def calendar(request: HttpRequest, name: str) -> HttpResponse:
    """A week of an environment: what is reserved and what is locked."""
    found = environment_or_404(name)
    first, zone = _day(request.GET.get("week", "")), request.GET.get("zone", "")
    page = read_calendar(found, person(request), first=first, zone=zone, now=locks.clock())
    chosen = request.GET.get("scope", "")
    context = {"page": page, "environment": found, "zoned": bool(zone), "chosen": chosen}
    return answer(request, "deployments/calendar.html", context, tag=tag_of(page, found.name, chosen))


def _day(text: str) -> date | None:
    """Raises BadRequest for what is no day of our time."""
    if not text:
        return None
    try:
        day = date.fromisoformat(text)
    except ValueError:
        raise BadRequest("No such week.") from None
    if not 2000 <= day.year < 2200:
        raise BadRequest("No such week.")
    return day


def _act(request: HttpRequest, verb: Callable[[], object], told: str) -> HttpResponse:
    """Run a verb and come back to the week that the form stood in."""
    back = _back(request)  # first: a form that says a place that is none changes nothing
    try:
        verb()
    except LOCK_REFUSALS as refusal:
        messages.error(request, str(refusal))
    else:
        messages.success(request, told)
    return redirect(back)


def _back(request: HttpRequest) -> str:
    name, week = request.POST.get("environment", ""), _day(request.POST.get("week", ""))
    if not re.fullmatch(NAME, name):
        raise BadRequest("No such page to come back to.")
    words = {"week": week.isoformat() if week else "", "zone": request.POST.get("zone", "")[:64]}
    return f"{reverse('calendar', args=[name])}?{urlencode({key: word for key, word in words.items() if word})}"


def _reservation_or_404(request: HttpRequest, reservation_id: int) -> Reservation:
    rows = locks.reservations().filter(locks.visible(person(request)), pk=reservation_id)
    found = rows.first()
    if found is None:
        raise Http404(f"No reservation {reservation_id}.")
    return found


def _time(request: HttpRequest, field: str) -> datetime:
    """A time as the browser's field gives it, on the clock of the page. Raises WrongEnd."""
    text = request.POST.get(field, "")
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        raise locks.WrongEnd(f"{text[:40]!r} is no date and time. Nothing was booked.") from None
    return (at if at.tzinfo else at.replace(tzinfo=locks.find_zone(request.POST.get("zone", "")))).astimezone(UTC)


def _last_week(request: HttpRequest) -> date | None:
    text = request.POST.get("until", "")
    try:
        return date.fromisoformat(text) if text else None
    except ValueError:
        raise locks.WrongEnd(f"{text[:40]!r} is no day. Nothing was booked.") from None


@require_POST
@needs(LOCK, anywhere)
def book(request: HttpRequest) -> HttpResponse:
    """Reserve a scope for later."""
    try:
        scope = locks.find(request.POST.get("scope", ""), viewer=person(request))
    except locks.NothingToLock as missing:
        raise Http404(str(missing)) from None
    team = team_named(request)

    def verb() -> None:
        locks.book(
            scope,
            by=person(request),
            starts=_time(request, "from"),
            ends=_time(request, "to"),
            reason=request.POST.get("reason", ""),
            team=team,
            weekly_until=_last_week(request),
            zone=request.POST.get("zone", ""),
        )

    return _act(request, verb, f"Reserved: {scope.place}. When it begins you have some minutes to confirm.")


@require_POST
@needs(LOCK, anywhere)
def move_reservation(request: HttpRequest, reservation_id: int) -> HttpResponse:
    """Have it at another time."""
    row = _reservation_or_404(request, reservation_id)

    def verb() -> None:
        locks.move(row, by=person(request), starts=_time(request, "from"), ends=_time(request, "to"))

    return _act(request, verb, f"Moved: the reservation of {row.place}.")


@require_POST
@needs(LOCK, anywhere)
def cancel_reservation(request: HttpRequest, reservation_id: int) -> HttpResponse:
    """Give it up; of a weekly one this time, or all from it on."""
    row, later = _reservation_or_404(request, reservation_id), request.POST.get("which") == "later"
    told = f"Cancelled: the reservation of {row.place}."
    return _act(request, lambda: locks.cancel(row, by=person(request), later_too=later), told)
