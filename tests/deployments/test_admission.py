"""Who may open the socket of a live log."""

from collections.abc import Iterator
from typing import Any

import pytest
from django.conf import settings

from deployments import consumers
from environments.models import User
from notifications.models import Event
from tests.deployments.readers import close_readers
from tests.deployments.scene import Scene
from tests.deployments.sockets import ORIGIN, Socket

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("valkey"), pytest.mark.both_databases]


@pytest.fixture(autouse=True, scope="module")
def _readers() -> Iterator[None]:
    yield
    close_readers()


@pytest.fixture
def scene() -> Scene:
    return Scene()


def origin(value: str) -> tuple[bytes, bytes]:
    return b"origin", value.encode()


OWN = "http://localhost:8000"
LET_IN = {
    "token": ("bearer",),
    "session from BASE_URL": ("cookie", origin(OWN)),
    "session from the Host's own pages": ("cookie", origin("http://127.0.0.1:8001"), (b"host", b"127.0.0.1:8001")),
}
FOREIGN = "the foreign Origin"
REFUSED = {
    "nothing": ((), "neither a bearer token nor an Origin"),
    "nothing but our Origin": ((origin(OWN),), "no session"),
    "session without Origin": (("cookie",), "neither a bearer token nor an Origin"),
    "session from null": (("cookie", origin("null")), FOREIGN),
    "session from another site": (("cookie", origin("https://evil.example")), FOREIGN),
    "session from a sub-domain": (("cookie", origin("http://evil.localhost:8000")), FOREIGN),
    "session from a name that begins like ours": (("cookie", origin("http://localhost:8000.evil.example")), FOREIGN),
    "session from another port": (("cookie", origin("http://localhost:8001")), FOREIGN),
    "session from another scheme": (("cookie", origin("https://localhost:8000")), FOREIGN),
    "session with a foreign Host": (("cookie", origin("http://evil.example"), (b"host", b"evil.example")), FOREIGN),
    "session with an empty Origin": (("cookie", origin("")), FOREIGN),
    "two Origins": (("cookie", origin(OWN), origin("https://evil.example")), "two origin headers"),
    "a session that is none": (
        ((b"cookie", f"{settings.SESSION_COOKIE_NAME}=abc".encode()), origin(OWN)),
        "nobody is signed in",
    ),
    "token from our pages": (("bearer", origin(OWN)), "a bearer token together with the Origin"),
    "token from another site": (("bearer", origin("https://evil.example")), "a bearer token together with the Origin"),
    "token from null": (("bearer", origin("null")), "a bearer token together with the Origin"),
    "a token that is none": (((b"authorization", b"Bearer dpl_" + b"x" * 40),), "nobody is signed in"),
    "a wrong token with a good session": (
        ("cookie", origin(OWN), (b"authorization", b"Bearer dpl_x")),
        "a bearer token together with the Origin",
    ),
    "a wrong token with a session and no Origin": (
        ("cookie", (b"authorization", b"Bearer dpl_x")),
        "nobody is signed in",
    ),
    "other credentials": (((b"authorization", b"Basic dmVyYTp2ZXJh"),), "credentials of another kind"),
    "two tokens": (("bearer", "bearer"), "two authorization headers"),
}


def headers_of(scene: Scene, parts: tuple[Any, ...]) -> list[tuple[bytes, bytes]]:
    headers = [getattr(scene, part) if isinstance(part, str) else part for part in parts]
    return headers if any(name == b"host" for name, _ in headers) else [(b"host", b"localhost:8000"), *headers]


@pytest.mark.parametrize("parts", LET_IN.values(), ids=LET_IN)
async def test_these_are_let_in(parts: tuple[Any, ...], scene: Scene) -> None:
    socket = Socket(scene.path, *headers_of(scene, parts))
    assert await socket.open() == (True, None)
    assert "status" in await socket.frame()
    await socket.close()


@pytest.mark.parametrize(("parts", "why"), REFUSED.values(), ids=REFUSED)
async def test_these_are_refused_before_anything_is_said(
    parts: tuple[Any, ...], why: str, scene: Scene, caplog: pytest.LogCaptureFixture
) -> None:
    assert await Socket(scene.path, *headers_of(scene, parts)).open() == (False, 4403)
    assert f"was refused: {why}" in caplog.text
    assert scene.token not in caplog.text


async def test_a_token_in_the_address_is_none(scene: Scene, caplog: pytest.LogCaptureFixture) -> None:
    """It would stand in every log of every proxy."""
    assert await Socket(f"{scene.path}?token={scene.token}").open() == (False, 4403)
    assert scene.token not in caplog.text


async def test_someone_disabled_is_refused_by_token_and_session(scene: Scene) -> None:
    await User.objects.filter(pk=scene.user.pk).aupdate(is_active=False)
    for headers in ([scene.bearer], [scene.cookie, ORIGIN]):
        assert await Socket(scene.path, *headers).open() == (False, 4403)


async def test_who_lacks_the_permission_is_refused_and_it_is_told(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(consumers, "VIEW", "administer")
    assert await Socket(scene.path, scene.bearer).open() == (False, 4403)
    event = await Event.objects.aget(kind="permission.refused")
    assert (event.actor, event.facts["permission"]) == ("vera", "administer")
