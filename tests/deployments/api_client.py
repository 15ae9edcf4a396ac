"""A client of the API, as scripts use it, and what every refusal of the API must look like."""

import json
from typing import Any

from django.test import AsyncClient, Client

from environments.models import User
from tests.builders import make_token, make_user


class API:
    """Speaks JSON with a bearer token, or with none."""

    def __init__(self, token: str = "") -> None:
        self._client = Client(headers={"Authorization": f"Bearer {token}"} if token else {})

    def get(self, path: str, **query: Any) -> Any:
        return self._client.get(f"/api/v1/{path}", query)

    def post(self, path: str, body: object = None, **headers: str) -> Any:
        data = b"" if body is None else json.dumps(body)
        return self._client.post(f"/api/v1/{path}", data, content_type="application/json", headers=headers)

    def put(self, path: str, body: object) -> Any:
        return self._client.put(f"/api/v1/{path}", json.dumps(body), content_type="application/json")

    def delete(self, path: str, body: object = None, **query: str) -> Any:
        data = b"" if body is None else json.dumps(body)
        return self._client.delete(f"/api/v1/{path}", data, content_type="application/json", query_params=query or None)


def api_of(*, role: str = "deployer", user: User | None = None, machine: bool = False) -> API:
    return API(make_token(user=user or make_user(role=role), machine=machine))


def check_problem(answer: Any, status: int, kind: str) -> dict[str, Any]:
    """The problem, after checking that it is one as RFC 9457 and docs/api.md say."""
    assert answer.status_code == status, answer.content
    assert answer["Content-Type"] == "application/problem+json"
    assert answer["Cache-Control"] == "no-store"
    said: dict[str, Any] = json.loads(answer.content)
    assert said["status"] == status
    assert said["kind"] == kind
    assert said["type"] == f"urn:deployer:{kind}"
    assert said["title"]
    assert said["detail"]
    return said


async def read_stream(address: str, token: str = "", user: User | None = None) -> tuple[int, str]:
    """Status and text of an answer that is streamed."""
    client = AsyncClient()
    if user:
        await client.aforce_login(user)
    answer = await client.get(address, headers={"Authorization": f"Bearer {token}"} if token else {})
    if not answer.streaming:
        return answer.status_code, answer.content.decode()
    return answer.status_code, b"".join([piece async for piece in answer]).decode()  # type: ignore[attr-defined]
