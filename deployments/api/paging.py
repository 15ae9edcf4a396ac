"""Lists, 100 at a time, continued by key: no counting and no OFFSET, so the last page costs as little as the first."""

import re
from collections.abc import Callable
from typing import Annotated, Any, TypeVar

from django.db.models import Model, QuerySet
from ninja import Query
from pydantic import Field

from deployments.api.problems import Unacceptable
from environments.target_words import PLACE
from environments.validation import NAME

PAGE = 100
MOST_ID = 2**63 - 1

Id = Annotated[int, Field(ge=1, le=MOST_ID)]
Name = Annotated[str, Field(pattern=f"^{NAME}$", max_length=63)]
Place = Annotated[
    str,
    Field(pattern=f"^{PLACE}$", max_length=127, description="`staging`, or `staging/feature-x` for an endpoint there."),
]
Username = Annotated[str, Field(pattern=r"^[\w.@+-]{1,150}$")]
Cursor = Annotated[str, Query(description="`next` of the page before.", max_length=150)]

Row = TypeVar("Row", bound=Model)


def page(
    rows: QuerySet[Row],
    *,
    key: str,
    cursor: str,
    represent: Callable[[Row], dict[str, Any]],
    newest_first: bool = False,
) -> dict[str, Any]:
    """`{"items": […], "next": cursor or None}` of `rows` in the order of the unique field `key`."""
    if cursor:
        rows = rows.filter(**{f"{key}__{'lt' if newest_first else 'gt'}": _read(cursor, key)})
    found = list(rows.order_by(f"-{key}" if newest_first else key)[: PAGE + 1])
    following = str(getattr(found[PAGE - 1], key)) if len(found) > PAGE else None
    return {"items": [represent(row) for row in found[:PAGE]], "next": following}


def _read(cursor: str, key: str) -> str | int:
    if key != "pk" and re.fullmatch(NAME, cursor):
        return cursor
    if key == "pk" and re.fullmatch(r"[0-9]{1,19}", cursor) and int(cursor) <= MOST_ID:
        return int(cursor)
    raise Unacceptable("This cursor is none of ours. Take `next` of the page before, or leave `cursor` out.")
