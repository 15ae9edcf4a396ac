"""Reservations from a spreadsheet, and into a calendar program: thin doors onto verbs."""

from datetime import timedelta

from django.conf import settings
from django.contrib import messages
from django.core.exceptions import BadRequest
from django.core.files.uploadedfile import UploadedFile
from django.db.models import Q
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.http import require_POST, require_safe

from deployments.calendar_text import write_calendar
from deployments.page_actions import person
from environments import locks
from environments.access import ANYONE, LOCK, SIGNED_IN, VIEW, allows_somewhere, needs
from environments.addresses import anywhere
from environments.locks import feeds, importing
from environments.models import BookingEnd

PAGE = "deployments/reservations.html"
BEFORE, AFTER = timedelta(days=30), timedelta(days=400)
MOST = 2000


@require_safe
@needs(VIEW, anywhere)
def reservations(request: HttpRequest) -> HttpResponse:
    """Bring in a sheet; the address for a calendar program."""
    return render(request, PAGE, _context(request))


@require_POST
@needs(LOCK, anywhere)
def import_reservations(request: HttpRequest) -> HttpResponse:
    """Show what would become of each line, or book them all."""
    zone = request.POST.get("zone", "")
    try:
        text = _sheet(request)
        if request.POST.get("really") != "yes":
            lines = importing.preview(text, by=person(request), zone=zone)
        else:
            lines = importing.import_sheet(text, by=person(request), zone=zone)
            if not any(line.error for line in lines):
                messages.success(request, f"{len(lines)} reservations are booked.")
                return redirect("locks")
    except locks.LockError as wrong:
        return render(request, PAGE, _context(request) | {"wrong": str(wrong)}, status=422)
    errors = sum(bool(line.error) for line in lines)
    context = {"lines": lines, "errors": errors, "text": text, "zone": locks.find_zone(zone).key}
    return render(request, PAGE, _context(request) | context, status=422 if errors else 200)


def _context(request: HttpRequest) -> dict[str, object]:
    """What the page shows at any time."""
    subscribed = person(request).calendar_digest is not None
    may = allows_somewhere(request.user, LOCK)
    return {"subscribed": subscribed, "may_lock": may, "columns": importing.COLUMNS, "most": importing.MOST_LINES}


def _sheet(request: HttpRequest) -> str:
    """The file that was chosen, or the text that was pasted. Raises WrongSheet."""
    file = request.FILES.get("file")
    if not isinstance(file, UploadedFile):
        return request.POST.get("sheet", "")
    if (file.size or 0) > importing.MOST_CHARACTERS:
        raise importing.WrongSheet("The file is too long. Nothing was booked; bring it in in parts.")
    try:
        return bytes(file.read()).decode("utf-8-sig")
    except UnicodeDecodeError:
        raise importing.WrongSheet(
            "The file is no text in UTF-8. Save it as CSV in UTF-8. Nothing was booked."
        ) from None


@require_POST
@needs(SIGNED_IN)
def calendar_address(request: HttpRequest) -> HttpResponse:
    """A new secret address, shown now and never again; or none any more."""
    act = request.POST.get("act", "")
    if act not in ("make", "remove"):
        raise BadRequest("Nothing to do of that name.")
    if act == "remove":
        if feeds.remove_secret(person(request)):
            messages.success(request, "The address opens nothing more.")
        return redirect("reservations")
    address = settings.BASE_URL + reverse("calendar-feed", args=[feeds.make_secret(person(request))])
    answer = render(request, PAGE, _context(request) | {"address": address, "subscribed": True})
    answer["Cache-Control"] = "no-store"
    return answer


@require_safe
@needs(ANYONE)
def calendar_feed(request: HttpRequest, secret: str) -> HttpResponse:
    """What its person may view; of one environment with `?environment=`, and theirs alone with `?mine=yes`."""
    reader = feeds.find_reader(secret)
    if reader is None:
        raise Http404("No such calendar.")
    now = locks.clock()
    rows = locks.reservations().filter(locks.visible(reader), starts__gt=now - BEFORE, starts__lt=now + AFTER)
    rows = rows.exclude(how__in=(BookingEnd.CANCELLED, BookingEnd.GONE, BookingEnd.OVER))
    if environment := request.GET.get("environment"):
        rows = rows.filter(environment__name=environment)
    if request.GET.get("mine") == "yes":
        rows = rows.filter(Q(team=None, holder=reader) | Q(team__in=reader.teams.all()))
    text = write_calendar(rows.order_by("starts", "pk")[:MOST], name="Reservations", now=now, base=settings.BASE_URL)
    answer = HttpResponse(text, content_type="text/calendar; charset=utf-8")
    answer["Content-Disposition"] = 'inline; filename="reservations.ics"'
    answer["Cache-Control"] = "private, no-store"
    return answer
