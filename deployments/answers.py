"""A page for who comes, and only what differs for a browser that has it already (static/js/live.js).

Such a browser says what it has: `X-Known`, the tag of the facts that its page shows; `X-Shape`, a checksum of
the names of its pieces; `X-Marks`, their marks.
"""

import hashlib
from dataclasses import fields, is_dataclass
from typing import Any

from django.db.models import Model
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.template.loader import render_to_string

from deployments.pieces import Page, read_page
from deployments.unheard import unheard

_PLAIN = frozenset((str, int, float, bool, type(None)))
_names: dict[type[Any], tuple[str, ...]] = {}


def facts_of(value: object) -> object:
    """What a page holds, as plain values: a model stands for its own columns, without asking the database for more.

    Of what has very many parts `tag_facts()` tells them at less cost.
    """
    kind = type(value)
    if kind in _PLAIN:
        return value
    if hasattr(kind, "tag_facts"):
        return value.tag_facts()  # type: ignore[attr-defined]
    if isinstance(value, Model):
        return {name: field for name, field in vars(value).items() if not name.startswith("_")}
    if names := _names_of(kind):
        return [facts_of(getattr(value, name)) for name in names]
    if isinstance(value, list | tuple):
        return [facts_of(item) for item in value]
    return value


def _names_of(kind: type[Any]) -> tuple[str, ...]:
    """Of the fields of a dataclass; none of anything else."""
    if kind not in _names:
        _names[kind] = tuple(field.name for field in fields(kind)) if is_dataclass(kind) else ()
    return _names[kind]


def tag_of(*parts: object) -> str:
    """A short digest of what a page shows; a page that asks again with the same one gets no second copy."""
    return hashlib.blake2b(repr(facts_of(parts)).encode(), digest_size=12).hexdigest()


def answer(request: HttpRequest, template: str, context: dict[str, Any], *, tag: str) -> HttpResponse:
    """The page, which says what is not heard now; for a browser that has it only what differs.

    That is 204 when it has exactly this, else the pieces that it lacks, as JSON.
    """
    if silent := unheard():
        context, tag = {**context, "unheard": silent}, tag_of(tag, silent)
    if request.headers.get("X-Known") == tag:
        return HttpResponse(status=204, headers={"Cache-Control": "no-store"})
    if "X-Shape" not in request.headers:
        page = read_page(render_to_string(template, context, request))
        return HttpResponse(page.marked(tag), headers={"Cache-Control": "no-store", "X-Tag": tag})
    # messages are for who comes to read them, not for a look in the background
    page = read_page(render_to_string(template, {**context, "messages": ()}, request))
    found = _difference(page, request.headers["X-Shape"], request.headers.get("X-Marks", ""), tag)
    return JsonResponse(found, headers={"Cache-Control": "no-store", "X-Tag": tag})


def _difference(page: Page, shape: str, marks: str, tag: str) -> dict[str, Any]:
    """Its pieces beyond those marks; all of the page when its pieces are no longer the same ones."""
    if page.shape != shape:
        return {**page.head(), "tag": tag, "page": page.marked(tag)}
    return {**page.head(), "tag": tag, "pieces": page.beyond(marks)}
