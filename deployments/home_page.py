"""The first page, and the rows of its matrix that come as one scrolls or types."""

from functools import lru_cache
from typing import Any

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.template.loader import render_to_string
from django.utils.safestring import SafeString, mark_safe
from django.views.decorators.http import require_safe

from deployments.answers import answer, tag_of
from deployments.page_queries.home import MOST_ROWS, SHOWN_ROWS, WHICH, Rows, read_home, read_rows
from deployments.page_queries.matrix import Row
from deployments.page_words import moment_of
from deployments.pieces import read_page
from environments import windows
from environments.access import ADMINISTER, SIGNED_IN, allows, needs
from environments.models import User
from environments.sight import sees_all

MOST_FREEZES = 3  # on the first page; Settings has all


@lru_cache(maxsize=2000)
def _row_html(row: Row) -> SafeString:
    """A row looks the same for all who see the same in it; rendering it is what costs."""
    return mark_safe(render_to_string("deployments/_row.html", {"row": row}).strip())


def _asked(request: HttpRequest) -> dict[str, Any]:
    """Which rows someone wants to see, of whatever came as parameters."""
    assert isinstance(request.user, User)
    which = request.GET.get("which", "")
    return {
        "user": request.user,
        "q": request.GET.get("q", "").strip()[:100],
        "which": which if which in WHICH else "all",
        "since": moment_of(request.headers.get("X-Since", "")),
    }


def _number(text: str, default: int) -> int:
    return min(int(text), MOST_ROWS) if text.isascii() and text.isdecimal() and len(text) < 7 else default


@require_safe
@needs(SIGNED_IN)
def home(request: HttpRequest) -> HttpResponse:
    """What runs where, what happens now, what happened last."""
    asked = _asked(request)
    page = read_home(**asked, rows=_number(request.GET.get("rows", ""), SHOWN_ROWS) or SHOWN_ROWS)
    rows = [_row_html(row) for row in page.matrix.rows]
    lasting = windows.lasting().select_related(None).filter(windows.visible(asked["user"]))
    freezes = list(lasting[:MOST_FREEZES])
    context = {
        "freezes": freezes,
        "home": page,
        "matrix": page.matrix,
        "rows": rows,
        "q": asked["q"],
        "which": asked["which"],
        "segments": _segments(page.matrix, asked["which"]),
    }
    begins = not page.matrix.all and allows(asked["user"], ADMINISTER)  # asked where there is a button for it
    may = {"sees_all": sees_all(asked["user"]), "may_administer": begins}
    facts = (page.headline, page.environments, page.now, page.more_now, page.recent, freezes)
    return answer(request, "deployments/home.html", context | may, tag=tag_of(facts, context["segments"], rows, may))


def _segments(matrix: Rows, which: str) -> list[tuple[str, str, int, bool]]:
    """Name, words, number and whether it is the chosen one."""
    numbers = {"all": matrix.all, "mine": matrix.mine, "attention": matrix.attention}
    return [(name, name.capitalize(), numbers[name], name == which) for name in WHICH]


@require_safe
@needs(SIGNED_IN)
def home_rows(request: HttpRequest) -> HttpResponse:
    """Rows from the one numbered `from` on, as HTML within JSON, and how many there are."""
    found = read_rows(**_asked(request), start=_number(request.GET.get("from", ""), 0))
    html = read_page("".join(_row_html(row) for row in found.rows)).marked("")
    facts = {"rows": html, "shown": found.shown, "found": found.found, "all": found.all, "more": found.more}
    return JsonResponse(facts, headers={"Cache-Control": "no-store"})
