"""The audit trail as a page, and as a file for those who keep it elsewhere."""

import csv
import io
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace

from channels.db import database_sync_to_async
from django.http import HttpRequest, HttpResponse, HttpResponseBase, StreamingHttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.http import require_safe

from deployments.answers import answer, tag_of
from deployments.log_reading import READERS
from deployments.page_actions import person
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
from environments.addresses import anywhere
from environments.models import User
from notifications.events import KINDS

# What a spreadsheet takes for the beginning of a formula (OWASP, CSV injection); also after blanks.
FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")


def _wanted(request: HttpRequest) -> Wanted:
    return read_wanted({name: request.GET.getlist(name) for name in request.GET})


@require_safe
@needs(VIEW, anywhere)
def activity(request: HttpRequest) -> HttpResponse:
    """Who did what, when, from where."""
    try:
        wanted = _wanted(request)
    except WrongFilter as error:
        return render(request, "deployments/wrong_filter.html", {"error": str(error)}, status=400)
    page = read_activity(wanted, now=timezone.now(), user=person(request))
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
@needs(VIEW, anywhere)
def activity_csv(request: HttpRequest) -> HttpResponseBase:
    """The same filters, as CSV; streamed, and no more than EXPORTED_MOST lines."""
    try:
        wanted = _wanted(request)
    except WrongFilter as error:
        return HttpResponse(f"{error}\n", status=400, content_type="text/plain; charset=utf-8")
    answered = StreamingHttpResponse(_lines(wanted, person(request)), content_type="text/csv; charset=utf-8")
    answered["Content-Disposition"] = f'attachment; filename="activity-{timezone.now():%Y%m%d}.csv"'
    answered["Cache-Control"] = "no-store"
    return answered


async def _lines(wanted: Wanted, user: User) -> AsyncIterator[str]:
    """A page of events at a time, so that neither memory nor a database connection is held for long."""
    yield _line(EXPORTED)
    # in a thread of its own: the one of the request is gone once its answer has begun
    read = database_sync_to_async(export_some, thread_sensitive=False, executor=READERS)
    now, left = timezone.now(), EXPORTED_MOST
    while left > 0:
        rows, before = await read(wanted, now=now, most=left, user=user)
        yield "".join(map(_line, rows))
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
