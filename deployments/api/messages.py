"""Word to the caller."""

from typing import Annotated, Any

from django.http import HttpRequest
from ninja import Router, Schema
from pydantic import Field

from deployments.api.auth import Needs, caller_of
from deployments.api.representation import absolute, represent_time
from deployments.page_queries.messages import read_messages
from environments.access import SIGNED_IN

router = Router(tags=["locks"])
MOST = 100


class MessageOut(Schema):
    id: int
    at: str
    kind: Annotated[str, Field(description="The kind of event that it tells of.")]
    text: str
    links: Annotated[
        dict[str, str],
        Field(
            description="`release`, `extend`, `no`: pages whose button does that without signing in, once, for a day. "
            "Keep them secret. A token that may not lock is told none."
        ),
    ]


class Messages(Schema):
    items: list[MessageOut]


@router.get("/messages", auth=Needs(SIGNED_IN), response=Messages, summary="What was said to you in the last 7 days")
def list_messages(request: HttpRequest) -> dict[str, Any]:
    told = read_messages(caller_of(request).user, MOST)
    return {
        "items": [
            {
                "id": one.id,
                "at": represent_time(one.at),
                "kind": one.kind,
                "text": one.text,
                "links": {act: absolute(address) for act, address in one.links.items()},
            }
            for one in told
        ]
    }
