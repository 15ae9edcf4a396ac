"""Which part of a long list someone asks for, by `?part=2`; templates/environments/_parts.html leads to the others."""

from typing import Any

from django.db.models import QuerySet
from django.http import HttpRequest

MOST_PARTS = 100_000


def asked_part(request: HttpRequest) -> int:
    """From 1 on; of what is no such number, the first."""
    asked = request.GET.get("part", "")
    return min(max(int(asked), 1), MOST_PARTS) if asked.isascii() and asked.isdecimal() and len(asked) < 7 else 1


def part_of(request: HttpRequest, rows: QuerySet[Any], size: int) -> dict[str, Any]:
    """What of `rows` is `found` there, at most `size`, for a template. One query."""
    part = asked_part(request)
    start = (part - 1) * size
    found = list(rows[start : start + size + 1])
    more, found = len(found) > size, found[:size]
    return {"found": found, "more": more, "part": part, "first": start + 1, "last": start + len(found)}
