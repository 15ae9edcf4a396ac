from collections.abc import Iterator

import pytest
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.http import HttpRequest, HttpResponse
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver, include, path

from deployer_site.permissions import declared_need
from environments.access import ANYONE, DEPLOY, PERMISSIONS, SIGNED_IN, needs
from environments.models import Role, User


def all_routes(
    resolver: URLResolver, namespaces: list[str], before: str = ""
) -> Iterator[tuple[str, object, list[str]]]:
    for entry in resolver.url_patterns:
        route = before + str(entry.pattern)
        if isinstance(entry, URLPattern):
            yield route, entry.callback, namespaces
        else:
            yield from all_routes(entry, namespaces + ([entry.namespace] if entry.namespace else []), route)


ROUTES = list(all_routes(get_resolver(settings.ROOT_URLCONF), []))


@pytest.mark.parametrize(("route", "view", "namespaces"), ROUTES, ids=[route for route, _, _ in ROUTES])
def test_every_route_declares_what_it_needs(route: str, view: object, namespaces: list[str]) -> None:
    assert declared_need(view, namespaces, route) in PERMISSIONS


def test_only_these_are_open_to_anyone() -> None:
    """A new door without a lock is a decision: it is written down here."""
    found = {route for route, view, namespaces in ROUTES if declared_need(view, namespaces, route) == ANYONE}
    assert {route for route in found if not route.startswith("api/")} == {
        *(
            "healthz",
            "readyz",
            "metrics",
            "signin",
            "signin/second",
            "signin/with/<slug:provider>",
            "signin/with/<slug:provider>/back",
            "signin/with/<slug:provider>/leave",
            "hooks/<slug:kind>/<slug:key>",
            "signin/forgotten",
            "signout",
            "join/<str:key>/<str:token>",
            "welcome/<str:secret>",
        ),
        *("locks/links/<str:token>", "locks/calendar/<str:secret>.ics"),
    }


def view_without_need(request: HttpRequest) -> HttpResponse:
    return HttpResponse("reached")


@needs(DEPLOY)
def view_for_deployers(request: HttpRequest) -> HttpResponse:
    return HttpResponse("reached")


@needs(SIGNED_IN)
def view_for_people(request: HttpRequest) -> HttpResponse:
    return HttpResponse("reached")


@needs(ANYONE)
def view_for_anyone(request: HttpRequest) -> HttpResponse:
    return HttpResponse("reached")


urlpatterns = [
    path("bare", view_without_need),
    path("deployers", view_for_deployers),
    path("people", view_for_people),
    path("anyone", view_for_anyone),
    # The error pages link to the real ones.
    path("", include("deployer_site.urls")),
]
pytestmark = pytest.mark.urls(__name__)


def client_of(role: str) -> Client:
    client = Client()
    client.force_login(User.objects.create_user("someone", role=role))
    return client


@pytest.mark.django_db
def test_a_route_without_a_need_is_refused_even_to_administrators() -> None:
    with pytest.raises(ImproperlyConfigured, match="bare"):
        client_of(Role.ADMINISTRATOR).get("/bare")


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("role", "status"), [(Role.VIEWER, 403), (Role.DEPLOYER, 200), (Role.ADMINISTRATOR, 200)], ids=str
)
def test_a_role_opens_what_it_may(role: str, status: int) -> None:
    assert client_of(role).get("/deployers").status_code == status


@pytest.mark.django_db
def test_everybody_who_signed_in_reaches_what_needs_no_more() -> None:
    assert client_of(Role.VIEWER).get("/people").status_code == 200


@pytest.mark.django_db
def test_someone_who_was_disabled_is_out_at_once() -> None:
    client = client_of(Role.DEPLOYER)
    User.objects.update(is_active=False)
    assert client.get("/deployers").status_code == 302


@pytest.mark.django_db
def test_a_stranger_is_sent_to_sign_in_and_back() -> None:
    answer = Client().get("/deployers?page=2")
    assert answer.status_code == 302
    assert answer["Location"] == "/signin?next=/deployers%3Fpage%3D2"


@pytest.mark.django_db
def test_a_stranger_who_posts_is_refused() -> None:
    assert Client().post("/deployers").status_code == 403


@pytest.mark.django_db
def test_a_fragment_sends_the_whole_page_to_sign_in() -> None:
    answer = Client().get("/deployers", headers={"HX-Request": "true", "HX-Current-URL": "http://testserver/a/b/"})
    assert answer["HX-Redirect"] == "/signin?next=http%3A//testserver/a/b/"


def test_a_stranger_reaches_what_is_for_anyone() -> None:
    assert Client().get("/anyone").content == b"reached"
