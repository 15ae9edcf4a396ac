"""Every page route there is, asked by everyone there is: who is let in, who is sent away, and that nothing breaks."""

import zlib
from collections.abc import Iterator
from datetime import timedelta
from http.cookies import SimpleCookie
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.http import HttpResponse, HttpResponseBase
from django.test import Client
from django.urls import NoReverseMatch, URLPattern, URLResolver, get_resolver, reverse
from django.utils import timezone
from pytest_django import Settings

from deployments.hooks import sources
from deployments.models import HookDelivery
from deployments.setup_pages import urls as setup_urls
from deployments.states import DeployStatus
from environments import granting, locks, teams, windows
from environments.access import _GRANTED, ADMINISTER, ANYONE, MAINTAIN
from environments.models import Heartbeat, HostAuthority, HostSource, Role, SecretStore, SignInProvider, Task, User
from notifications.models import Channel
from tests import builders
from tests.browser.every_page import DOORS, PAGES, SEEDED
from tests.ports import closed_port
from tests.undone import undone

pytestmark = pytest.mark.django_db

ROLES = ("", Role.VIEWER, Role.DEPLOYER, Role.ADMINISTRATOR)


def routes(resolver: URLResolver) -> Iterator[URLPattern]:
    """All but Django's admin and the API, which have gates and tests of their own."""
    for entry in resolver.url_patterns:
        if isinstance(entry, URLPattern):
            yield entry
        elif not entry.namespace:
            yield from routes(entry)


ROUTES = {str(route.name): route for route in routes(get_resolver(settings.ROOT_URLCONF))}


class World:
    """One of everything, and what stands for a route's parameters."""

    def __init__(self, folder: Path) -> None:
        builders.make_repository(folder / "shop")
        shop = builders.make_application(name="shop", repository=folder / "shop")
        staging = builders.make_environment(name="staging")
        self.target = builders.make_target(application=shop, environment=staging)
        self.host = builders.make_host(name="web-1", environment=staging, zone=builders.make_zone(), port=9)
        self.host.keys.create(algorithm="ssh-ed25519", key=builders.PUBLIC_KEY, accepted_by="tests")
        self.deploy = builders.make_deploy(target=self.target, status=DeployStatus.PARTIAL)
        builders.make_run(deploy=self.deploy, host=self.host)
        Task.objects.create(target=self.target, name="restart", command="true")
        self.people = {role: builders.make_user(username=f"a-{role}", role=role) for role in ROLES if role}
        builders.make_token(user=self.people[Role.VIEWER])
        source = HostSource.objects.create(name="inventory", kind="lines", environment=staging, trouble="It is away.")
        self.beat = Heartbeat.objects.create(source=source, name="web-9", address="10.0.0.9", digest="spent")
        Channel.objects.create(name="releases", kind="web-hook", settings={"address": "https://hooks.example/"})
        corp = SignInProvider.objects.create(name="corp", title="Corp", issuer=f"http://127.0.0.1:{closed_port()}")
        self.identity = corp.identities.create(subject="9", user=self.people[Role.VIEWER], groups=["painters"])
        SecretStore.objects.create(name="vault", kind="command", settings={"command": "/bin/true"})
        painters = teams.make("painters", by=None)
        self.grant = granting.give(painters, Role.DEPLOYER, application=shop, by=None)
        self.hook, _ = sources.make("github", shop, by=None)
        came = {"source": self.hook, "received_at": timezone.now(), "decision": "noted", "body": zlib.compress(b"{}")}
        self.delivery = HookDelivery.objects.create(**came)
        self.lock = builders.make_lock(target=self.target, by=self.people[Role.DEPLOYER])
        later, hour = self.lock.since + timedelta(days=1), timedelta(hours=1)
        booker, scope = self.people[Role.DEPLOYER], locks.of_target(self.target)
        (self.reservation,) = locks.book(scope, by=booker, reason="later", starts=later, ends=later + hour)
        self.freeze = windows.freeze(scope, by=None, reason="the fair", starts=later, ends=later + hour)
        self.authority = HostAuthority.objects.create(
            patterns="*.example.com", algorithm="ssh-ed25519", key=builders.PUBLIC_KEY, accepted_by="tests"
        )
        self.question = self.lock.questions.create(
            by=self.people[Role.ADMINISTRATOR], by_name="An administrator", text="May I?", asked_at=self.lock.since
        )

    def address(self, name: str) -> str:
        """An address of the route; every parameter has a value that exists."""
        names = {"host": "web-1", "environment": "staging", "region": "europe", "zone": "a", "task": "restart"}
        key = self.host.keys.get()
        values: dict[str, Any] = {
            "application": "shop",
            "environment": "staging",
            "deploy_id": self.deploy.pk,
            "host": "web-1",
            "username": f"a-{Role.VIEWER}",
            "team": "painters",
            "source": "inventory",
            "store": "vault",
            "channel": "releases",
            "provider": "corp",
            "mapping_id": 1,
            "identity_id": self.identity.pk,
            "grant_id": self.grant.pk,
            "factor_id": 1,
            "authority_id": self.authority.pk,
            "token_id": self.people[Role.VIEWER].tokens.get().pk,
            "key_id": key.pk,
            "lock_id": self.lock.pk,
            "reservation_id": self.reservation.pk,
            "freeze_id": self.freeze.pk,
            "beat_id": self.beat.pk,
            "question_id": self.question.pk,
            "change_id": 1,
            "zone": names["zone"],
            "hook_id": self.hook.pk,
            "delivery_id": self.delivery.pk,
            "kind": "github",
            "name": "shop",
            "what": "people",
            "key": "MQ",
            "token": "spent",
            "secret": "spent",
        }
        route = str(ROUTES[name].pattern)
        kinds = {"hosts/": "host", "environments/": "environment", "settings/regions": "region"}
        kinds |= {"settings/environments": "environment", "<slug:application>/<slug:environment>/tasks": "task"}
        for beginning, kind in kinds.items():
            if route.startswith(beginning):
                values["name"] = names[kind]
        if "hosts/<slug:name>" in route:
            values["name"] = names["host"]
        wanted = ROUTES[name].pattern.converters
        return reverse(name, kwargs={word: values[word] for word in wanted})


@pytest.fixture
def world(tmp_path: Path, settings: Settings) -> World:
    settings.REPOSITORY_ROOTS, settings.VAR = [tmp_path], tmp_path / "var"
    return World(tmp_path)


def client_of(user: User | None) -> Client:
    client = Client(raise_request_exception=True)
    if user:
        client.force_login(user)
    return client


def may(role: str, need: str) -> bool:
    return need == ANYONE or need in _GRANTED.get(role, frozenset())


def asked(client: Client, method: str, address: str) -> HttpResponseBase:
    """The answer; whatever was done for it is undone."""
    with undone():
        answer: HttpResponseBase = getattr(client, method)(address)
    return answer


def is_right(answer: HttpResponseBase, name: str, method: str, *, role: str, need: str) -> bool:
    location = answer.headers.get("Location", "")
    if may(role, need):
        sent_away = location.startswith("/signin?next") and name != "signout"
        return answer.status_code != 403 and (answer.status_code < 500 or name == "readyz") and not sent_away
    if role or method == "post":
        return answer.status_code == 403
    return (answer.status_code, location.partition("?")[0]) == (302, "/signin")


@pytest.mark.parametrize("role", ROLES, ids=lambda role: role or "a stranger")
def test_who_is_let_in(role: str, world: World) -> None:
    """By GET and by POST: what one may not is refused before anything happens, and what one may never breaks."""
    client, wrong = client_of(world.people.get(role)), []
    cookies = {name: cookie.value for name, cookie in client.cookies.items()}
    for name in sorted(ROUTES):
        need, address = str(getattr(ROUTES[name].callback, "needs", "")), world.address(name)
        for method in ("get", "post"):
            client.cookies = SimpleCookie(cookies)
            answer = asked(client, method, address)
            if not is_right(answer, name, method, role=role, need=need):
                wrong.append((name, method, answer.status_code, answer.headers.get("Location", "")))
    assert wrong == []


def test_only_administrators_open_these() -> None:
    """A setting that others may change is a decision: it is taken out of this list."""
    kinds = (
        "settings-people",
        "settings-keys",
        "settings-environments",
        "settings-regions",
        "settings-person",
        "forget-tries",
        "take-factors",
        "set-email",
        "mail-link",
        "invite",
        "make-link",
    )
    acts = ("set-role", "disable-person", "enable-person", "upload-key", "scan-keys", "accept-key", "distrust-key")
    setting_up = {str(route.name) for route in setup_urls.urlpatterns}
    assert len(setting_up) >= 22
    places = ("add", "move", "remove")
    names = [*kinds, *acts, *(f"{act}-environment" for act in places), "add-region", "change-region", "remove-region"]
    needed_there = {getattr(ROUTES[name].callback, "needs", "") for name in setting_up}
    assert needed_there == {ADMINISTER, MAINTAIN}  # whoever maintains a place sets up what is in it
    names += ["endpoint-offer", "withdraw-endpoint-offer"]
    names += ["place-host", "settings-permissions", "give-grant", "take-grant", "set-everyones"]
    names += ["settings-sources", "settings-source", "add-source", "change-source", "refresh-source"]
    names += ["accept-removal", "remove-source", "make-heartbeat", "revoke-heartbeat"]
    names += ["settings-channels", "add-channel", "change-channel", "deliveries", "try-channel", "resume-channel"]
    names += ["remove-channel"]
    names += ["settings-stores", "add-store", "change-store", "try-store", "remove-store"]
    names += ["settings-providers", "add-provider", "change-provider", "try-provider", "remove-provider"]
    names += ["map-group", "unmap-group", "set-passwords", "unlink-identity"]
    names += ["protect-environment", "make-team", "rename-team", "remove-team", "add-member", "remove-member"]
    assert {getattr(ROUTES[name].callback, "needs", "") for name in names} == {ADMINISTER}


def test_every_page_is_looked_at_in_the_browser(world: World) -> None:
    """A page that is not in tests/browser/every_page.py would escape axe and the pictures."""
    client, pages = client_of(world.people[Role.ADMINISTRATOR]), set()
    for name in ROUTES:
        answer = asked(client, "get", world.address(name))
        if isinstance(answer, HttpResponse) and answer.status_code == 200 and b"<html" in answer.content:
            pages.add(name)
    assert pages - set(PAGES) - set(DOORS) - set(SEEDED) == set()


def test_every_page_that_is_looked_at_exists() -> None:
    assert set(PAGES) | set(DOORS) <= set(ROUTES)
    with pytest.raises(NoReverseMatch):
        reverse("nowhere")
