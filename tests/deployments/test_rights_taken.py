"""A right that is taken away: open sockets close, what waits does not start, and what is not theirs is not there."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from asgiref.sync import sync_to_async

from deployments import consumers, lifecycle, page_socket
from deployments.models import Deploy
from deployments.states import DeployStatus
from environments import granting, people, places, teams, tokens
from environments.models import Grant, Identity, Role, SignInProvider, Token, User
from environments.providers import keeping
from tests.builders import make_deploy, make_target, make_token, make_user
from tests.deployments.readers import close_readers
from tests.deployments.sockets import Socket, topics_taken

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("valkey")]


@pytest.fixture(autouse=True, scope="module")
def _readers() -> Iterator[None]:
    yield
    close_readers()


class Scene:
    """A deploy that goes on, and a guest who may view its target by a grant."""

    def __init__(self) -> None:
        self.target = make_target()
        self.deploy = make_deploy(target=self.target, status=DeployStatus.RUNNING)
        self.foreign = make_deploy(status=DeployStatus.RUNNING)
        self.guest = make_user(role=Role.GUEST)
        app, env = self.target.application, self.target.environment
        granting.give(self.guest, Role.DEPLOYER, application=app, environment=env, by=None)
        self.bearer = (b"authorization", f"Bearer {make_token(user=self.guest)}".encode())

    def log(self, deploy_id: int) -> Socket:
        return Socket(f"/ws/deploys/{deploy_id}/log", self.bearer)


@pytest.fixture
def scene(monkeypatch: pytest.MonkeyPatch) -> Scene:
    monkeypatch.setattr(consumers, "PERMIT_SECONDS", 0.2)
    monkeypatch.setattr(page_socket, "PERMIT_SECONDS", 0.2)
    return Scene()


def test_the_right_is_asked_for_every_five_seconds() -> None:
    assert (consumers.PERMIT_SECONDS, page_socket.PERMIT_SECONDS) == (5.0, 5.0)


async def closed(socket: Socket) -> Any:
    """The code with which it closes, whatever it says before."""
    while "close" not in (frame := await socket.frame(30)):
        pass
    return frame["close"]


TAKEN: dict[str, Callable[[Scene], Any]] = {
    "the grant": lambda scene: granting.take_away(Grant.objects.get(), by=None),
    "the token": lambda scene: tokens.revoke(Token.objects.get(), by=""),
    "the person": lambda scene: people.disable(scene.guest, by=None),
}


@pytest.mark.parametrize("what", TAKEN)
async def test_open_sockets_close(scene: Scene, what: str) -> None:
    log, page = scene.log(scene.deploy.pk), Socket("/ws/page", scene.bearer)
    assert (await log.open(), await page.open()) == ((True, None), (True, None))
    await page.communicator.send_json_to({"topics": ["event", f"target/{scene.target.slug}"]})
    assert "close" not in await log.frame(30)
    await sync_to_async(TAKEN[what])(scene)
    assert (await closed(log), await closed(page)) == (4403, 4403)
    await log.close()
    await page.close()


def _is_in_by_group(scene: Scene) -> Callable[[], object]:
    """The guest has what a group gives, and nothing else; the verb that takes it away."""
    Grant.objects.all().delete()
    team = teams.make("painters", by=None)
    app, env = scene.target.application, scene.target.environment
    granting.give(team, Role.VIEWER, application=app, environment=env, by=None)
    corp = SignInProvider.objects.create(name="corp", title="Corp", issuer="https://id.example.com", client_id="c")
    Identity.objects.create(provider=corp, subject="1", user=scene.guest, groups=["painting"])
    mapped = keeping.map_group(corp, "painting", team=team, by=None)
    return lambda: keeping.unmap_group(corp, mapped.pk, by=None)


async def test_open_sockets_close_when_a_group_means_no_more_what_it_did(scene: Scene) -> None:
    take = await sync_to_async(_is_in_by_group)(scene)
    log = scene.log(scene.deploy.pk)
    assert await log.open() == (True, None)
    assert "close" not in await log.frame(30)
    await sync_to_async(take)()
    assert await closed(log) == 4403
    await log.close()


async def test_a_page_closes_when_one_thing_that_it_shows_is_taken(scene: Scene) -> None:
    await sync_to_async(granting.give)(scene.guest, Role.VIEWER, application=scene.foreign.target.application, by=None)
    page = Socket("/ws/page", scene.bearer)
    await page.open()
    await page.communicator.send_json_to({"topics": [f"target/{scene.target.slug}"]})
    await topics_taken()
    await sync_to_async(Grant.objects.filter(role=Role.DEPLOYER).delete)()
    assert await closed(page) == 4403
    await page.close()


async def test_a_log_that_is_not_theirs_closes_as_one_that_is_not_there(scene: Scene) -> None:
    said = []
    for deploy_id in (scene.foreign.pk, 987_654):
        socket = scene.log(deploy_id)
        assert await socket.open() == (True, None)
        said.append(await socket.frame(30))
        await socket.close()
    assert said == [{"close": 4404}, {"close": 4404}]


def waiting(by: User, target: Any) -> Deploy:
    return make_deploy(target=target, status=DeployStatus.WAITING, by=by)


def test_what_has_not_started_does_not_start_when_the_role_is_taken(scene: Scene) -> None:
    target = make_target(hosts=1)
    person = make_user(role=Role.DEPLOYER)
    deploy = waiting(person, target)
    people.set_role(person, Role.VIEWER, by=None)
    fresh = Deploy.objects.get(pk=deploy.pk)
    assert not lifecycle.start_waiting(fresh)
    fresh.refresh_from_db()
    assert (fresh.status, "may no longer deploy" in fresh.reason) == (DeployStatus.FAILED, True)


def test_nor_when_its_environment_is_protected(scene: Scene) -> None:
    target = make_target(hosts=1)
    granting.set_everyones(unprotected=Role.DEPLOYER, protected=Role.VIEWER, by=None)
    deploy = waiting(make_user(role=Role.VIEWER), target)
    places.protect_environment(target.environment, by=None, protected=True)
    fresh = Deploy.objects.get(pk=deploy.pk)
    assert not lifecycle.start_waiting(fresh)
    fresh.refresh_from_db()
    assert fresh.status == DeployStatus.FAILED
