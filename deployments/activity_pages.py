"""The audit trail as a page, and as a file for those who keep it elsewhere."""

import csv
import io
from collections.abc import Iterator, Sequence
from dataclasses import replace

from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.http import require_safe

from deployments.answers import answer, tag_of
from deployments.page_queries.activity import (
    EXPORTED,
    EXPORTED_MOST,
    FAMILIES,
    WINDOWS,
    Wanted,
    WrongFilter,
    export_some,
    read_activity,
    read_wanted,
)
from environments.access import VIEW, needs
from notifications.events import KINDS

# What a spreadsheet takes for the beginning of a formula (OWASP, CSV injection); also after blanks.
FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")


def _wanted(request: HttpRequest) -> Wanted:
    return read_wanted({name: request.GET.getlist(name) for name in request.GET})


@require_safe
@needs(VIEW)
def activity(request: HttpRequest) -> HttpResponse:
    """Who did what, when, from where."""
    try:
        wanted = _wanted(request)
    except WrongFilter as error:
        return render(request, "deployments/wrong_filter.html", {"error": str(error)}, status=400)
    page = read_activity(wanted, now=timezone.now())
    context = {
        "page": page,
        "wanted": wanted,
        "families": list(FAMILIES),
        "windows": list(WINDOWS),
        "kind": wanted.what if wanted.what in KINDS else "",
        "older": wanted.address(before=page.before) if page.before else "",
        "newest": wanted.address(before=""),
        "export": wanted.address(before=""),
        "most": EXPORTED_MOST,
    }
    return answer(request, "deployments/activity.html", context, tag=tag_of(page, wanted))


@require_safe
@needs(VIEW)
def activity_csv(request: HttpRequest) -> HttpResponseBase:
    """The same filters, as CSV; read some at a time, and no more than EXPORTED_MOST lines."""
    try:
        wanted = _wanted(request)
    except WrongFilter as error:
        return HttpResponse(f"{error}\n", status=400, content_type="text/plain; charset=utf-8")
    answered = HttpResponse("".join(_lines(wanted)), content_type="text/csv; charset=utf-8")
    answered["Content-Disposition"] = f'attachment; filename="activity-{timezone.now():%Y%m%d}.csv"'
    answered["Cache-Control"] = "no-store"
    return answered


def _lines(wanted: Wanted) -> Iterator[str]:
    """A page of events at a time: of each only its line is kept."""
    yield _line(EXPORTED)
    now, left = timezone.now(), EXPORTED_MOST
    while left > 0:
        rows, before = export_some(wanted, now=now, most=left)
        yield from map(_line, rows)
        if not before:
            return
        left -= len(rows)
        wanted = replace(wanted, before=before)


def _line(cells: Sequence[str]) -> str:
    text = io.StringIO()
    csv.writer(text).writerow([harmless(cell) for cell in cells])
    return text.getvalue()


def harmless(cell: str) -> str:
    """A cell that no spreadsheet takes for a formula."""
    return f"'{cell}" if cell.lstrip(" ").startswith(FORMULA) else cell
