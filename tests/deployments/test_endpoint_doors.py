"""Endpoints from pages and the API: who may, what they are told, what is shown. No host is reached."""

from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from deployments import lifecycle, recipes
from deployments.blockers import Blocked
from deployments.models import Deploy, HostRun, Star
from deployments.states import DeployStatus
from environments import endpoints, locks, windows
from environments.access import NotAllowed
from environments.configuration import changing, merging
from environments.configuration.scopes import Scope
from environments.endpoints import EndpointGone, EndpointTaken, NoOffer, NoPortLeft, TooMany, WrongName, WrongOffer
from environments.models import (
    ConfigurationValue,
    Endpoint,
    EndpointOffer,
    Host,
    LockRequest,
    Membership,
    Target,
    User,
)
from notifications.models import Event, Message
from tests.builders import make_step, make_user
from tests.deployments.api_client import api_of, check_problem
from tests.deployments.conftest import MakeFleetTarget
from tests.deployments.ended import request
from tests.deployments.fleet import FleetTarget

ADDRESS = "https://{application}-{endpoint}.staging.example.com"


@pytest.fixture
def offering(make_place: MakeFleetTarget) -> Iterator[FleetTarget]:
    found = make_place(hosts=3)
    repository, branches = found.repository, ("feature/x", "feature-x")
    repository.git("push", "-q", "-f", str(repository.path), *(f"HEAD:refs/heads/{name}" for name in branches))
    offer(found)
    yield found
    repository.git("push", "-q", str(repository.path), *(f":refs/heads/{name}" for name in branches))


def offer(place: FleetTarget, **terms: Any) -> EndpointOffer:
    usual = {"address": ADDRESS, "first_port": 8000, "last_port": 8002, "most": 5, "most_each": 4}
    return endpoints.set_offer(place.target.environment, by=None, **(usual | terms))


def make(place: FleetTarget, branch: str = "main", **facts: Any) -> Endpoint:
    deploy = lifecycle.make_endpoint(place.target, branch, **({"by": place.by} | facts))
    return endpoints.existing().get(target=deploy.target)


def over(endpoint: Endpoint) -> None:
    """As if its removal had been carried out."""
    Deploy.objects.filter(target=endpoint.target).update(status=DeployStatus.SUCCEEDED)
    endpoints.write_gone(endpoint)


def test_it_is_a_target_of_its_own(offering: FleetTarget) -> None:
    found = make(offering, "feature/x")
    target, parent = found.target, offering.target
    assert target.slug == f"{parent.slug}/feature-x"
    assert (target.parent, target.root) == (parent, f"{parent.root}/endpoints/feature-x")
    assert found.address == f"https://{parent.application.name}-feature-x.staging.example.com"
    assert (found.port, found.by, found.until - found.made_at) == (8000, offering.by, timedelta(hours=72))
    deploy = Deploy.objects.get()
    assert (deploy.target, deploy.number, deploy.ref, deploy.status) == (target, 1, "feature/x", "running")
    assert Event.objects.filter(kind="endpoint.made", facts__endpoint="feature-x").count() == 1


def test_two_branches_never_share_a_name_and_one_has_one(offering: FleetTarget) -> None:
    first, second = make(offering, "feature/x"), make(offering, "feature-x")
    assert first.target.name == "feature-x"
    assert second.target.name.startswith("feature-x-")
    with pytest.raises(EndpointTaken, match="serves feature/x at https://"):
        make(offering, "feature/x")
    with pytest.raises(EndpointTaken):
        make(offering, "main", name="feature-x")
    assert Endpoint.objects.count() == 2


def test_the_lowest_free_port_is_given_and_comes_back(offering: FleetTarget) -> None:
    made = [make(offering, "main", name=name) for name in ("a", "b", "c")]
    assert [one.port for one in made] == [8000, 8001, 8002]
    with pytest.raises(NoPortLeft, match="All 3 ports"):
        make(offering, "main", name="d")
    over(made[1])
    again = make(offering, "main", name="b")
    assert (again.port, again.target) == (8001, made[1].target), "the target's history goes on"
    assert Endpoint.objects.count() == 3


@pytest.mark.parametrize(
    ("terms", "said"),
    [({"most": 1}, "as many as it may"), ({"most_each": 1}, "as many as one person may")],
)
def test_there_is_a_limit(offering: FleetTarget, terms: dict[str, int], said: str) -> None:
    offer(offering, **terms)
    make(offering, "main", name="a")
    with pytest.raises(TooMany, match=said):
        make(offering, "main", name="b")
    if "most_each" in terms:
        make(offering, "main", name="b", by=make_user())


@pytest.mark.parametrize("name", ["deploy", "Über", "-a", "a" * 60])
def test_what_can_be_no_name(offering: FleetTarget, name: str) -> None:
    with pytest.raises(WrongName):
        make(offering, "main", name=name)
    assert not Endpoint.objects.exists()
    assert not Target.objects.exclude(name="").exists()


def test_only_where_it_is_offered_and_only_who_may_deploy(offering: FleetTarget, viewer: User) -> None:
    with pytest.raises(NotAllowed):
        make(offering, by=viewer)
    endpoint = make(offering)
    with pytest.raises(NotAllowed):
        lifecycle.take_away(endpoint, by=viewer)
    with pytest.raises(NotAllowed):
        endpoints.extend(endpoint, by=viewer)
    with pytest.raises(NoOffer, match="is an endpoint itself"):
        lifecycle.make_endpoint(endpoint.target, "main", by=offering.by)
    endpoints.withdraw_offer(offering.target.environment, by=None)
    with pytest.raises(NoOffer, match="offers no endpoints"):
        make(offering)


def test_the_lock_of_its_target_is_not_its_own(offering: FleetTarget) -> None:
    other, endpoint = make_user(), make(offering)
    Deploy.objects.update(status=DeployStatus.SUCCEEDED)
    until = locks.clock() + timedelta(hours=1)
    locks.acquire(locks.find(offering.target.slug, viewer=None), by=other, reason="mine", until=until)
    with pytest.raises(Blocked):
        request(offering)
    lifecycle.request_deploy(target=endpoint.target, ref="main", by=offering.by)
    Deploy.objects.update(status=DeployStatus.SUCCEEDED)
    locks.acquire(locks.find(endpoint.target.slug, viewer=other), by=other, reason="mine", until=until)
    with pytest.raises(Blocked):
        lifecycle.request_deploy(target=endpoint.target, ref="main", by=offering.by)


def test_from_its_end_on_it_is_taken_away_once_and_takes_no_deploys(offering: FleetTarget) -> None:
    endpoint = make(offering)
    Deploy.objects.update(status=DeployStatus.SUCCEEDED)
    lifecycle.look_after_endpoints()
    assert Deploy.objects.count() == 1
    Endpoint.objects.update(until=timezone.now() - timedelta(seconds=1))
    lifecycle.look_after_endpoints()
    lifecycle.look_after_endpoints()
    away = Deploy.objects.get(number=2)
    assert (away.kind, away.ref, away.automatic, away.status) == ("task", "take-away", True, "running")
    with pytest.raises(Blocked, match="is being taken away"):
        lifecycle.request_deploy(target=endpoint.target, ref="main", by=offering.by)
    with pytest.raises(EndpointGone):
        endpoints.extend(endpoint, by=offering.by)
    lifecycle.end(away, DeployStatus.SUCCEEDED, "It ran.")
    endpoint.refresh_from_db()
    assert endpoint.gone_at is not None
    assert not endpoints.existing().exists()
    with pytest.raises(Blocked, match="There is no endpoint"):
        lifecycle.request_deploy(target=endpoint.target, ref="main", by=offering.by)


def test_one_that_could_not_be_taken_away_keeps_its_port_and_is_tried_again(offering: FleetTarget) -> None:
    endpoint = make(offering)
    Deploy.objects.update(status=DeployStatus.SUCCEEDED)
    away = lifecycle.take_away(endpoint, by=offering.by)
    lifecycle.end(away, DeployStatus.FAILED, "A host was away.")
    Endpoint.objects.update(until=timezone.now())
    lifecycle.look_after_endpoints()
    assert endpoints.existing().get().port == 8000
    assert Deploy.objects.count() == 2, "not at once"
    Endpoint.objects.update(ending_at=timezone.now() - timedelta(hours=2))
    lifecycle.look_after_endpoints()
    assert Deploy.objects.get(number=3).ref == "take-away"


def hosts_of(deploy: Deploy) -> set[str]:
    return set(deploy.runs.values_list("host_name", flat=True))


def test_a_host_that_is_set_aside_meanwhile_is_cleaned_too(offering: FleetTarget) -> None:
    endpoint = make(offering)
    first = Deploy.objects.get()
    away = lifecycle.take_away(endpoint, by=offering.by)
    assert (away.status, len(hosts_of(away))) == ("waiting", 3)
    Host.objects.update(aside="drained")
    lifecycle.end(first, DeployStatus.SUCCEEDED, "It is live.")
    assert lifecycle.start_waiting(away)
    assert len(hosts_of(away)) == 3


def test_a_host_that_serves_other_things_since_is_cleaned_too(offering: FleetTarget) -> None:
    endpoint = make(offering)
    before = hosts_of(Deploy.objects.get())
    Deploy.objects.update(status=DeployStatus.SUCCEEDED)
    HostRun.objects.filter(host_name=min(before)).update(roles=["web"])
    Membership.objects.filter(host__name=min(before)).delete()
    away = lifecycle.take_away(endpoint, by=offering.by)
    assert hosts_of(away) == before
    assert away.runs.get(host_name=min(before)).roles == ["web"]


def test_one_that_is_made_again_inherits_nothing_but_history(offering: FleetTarget) -> None:
    endpoint, ben = make(offering), make_user(username="ben", role="deployer")
    target, soon = endpoint.target, timezone.now() + timedelta(hours=5)
    scope = locks.of_target(target)
    locks.acquire(scope, by=offering.by, reason="mine", until=timezone.now() + timedelta(hours=1))
    locks.wait_in_line(scope, by=ben, reason="next", wanted=timedelta(hours=1))
    locks.book(scope, by=ben, reason="later", starts=soon, ends=soon + timedelta(hours=1))
    windows.freeze(scope, by=None, reason="the fair", starts=soon, ends=soon + timedelta(hours=1))
    Star.objects.create(person=ben, target=target)
    Deploy.objects.update(status=DeployStatus.SUCCEEDED)
    away = lifecycle.take_away(endpoint, by=offering.by)
    lifecycle.end(away, DeployStatus.SUCCEEDED, "It ran.")
    assert make(offering).target == target
    assert not locks.held().filter(target=target).exists()
    assert not LockRequest.objects.filter(ended_at=None).exists()
    assert not locks.coming_reservations().exists()
    assert not windows.to_come().exists()
    assert not Star.objects.exists()
    kinds = ("lock.released", "reservation.cancelled", "freeze.lifted")
    told = Event.objects.filter(kind__in=kinds).values_list("kind", "facts__endpoint")
    assert set(told) == {(kind, target.name) for kind in kinds}


def test_after_the_offer_it_lives_to_its_end(offering: FleetTarget) -> None:
    endpoint = make(offering)
    endpoints.withdraw_offer(offering.target.environment, by=None)
    with pytest.raises(NoOffer, match=r"main cannot be kept: .* It ends until "):
        endpoints.extend(endpoint, by=offering.by)


def test_who_made_it_is_reminded_once_and_may_keep_it(offering: FleetTarget) -> None:
    endpoint = make(offering)
    Deploy.objects.update(status=DeployStatus.SUCCEEDED)
    lifecycle.look_after_endpoints()
    assert not Message.objects.exists()
    now = timezone.now()
    Endpoint.objects.update(made_at=now - timedelta(hours=71), until=now + timedelta(hours=1))
    lifecycle.look_after_endpoints()
    lifecycle.look_after_endpoints()
    assert list(Message.objects.values_list("to", "event__kind")) == [("ada", "endpoint.ends_soon")]
    until = endpoints.extend(endpoint, by=offering.by)
    assert until > timezone.now() + timedelta(hours=71)
    lifecycle.look_after_endpoints()
    assert Message.objects.count() == 1


@pytest.mark.parametrize(
    ("terms", "said"),
    [
        ({"address": "https://{application}.example.com"}, "never share an address"),
        ({"address": "https://{application}-{endpoint}.example.com/{branch}"}, "The address has {branch}"),
        ({"address": "https://staging.example.com/{application}/{endpoint}"}, "host name"),
        ({"address": "ftp://{application}-{endpoint}.example.com"}, "no web address"),
        ({"address": ADDRESS + ":{port}", "first_port": None, "last_port": None}, "no ports to give out"),
        ({"first_port": 9000, "last_port": 8000}, "from a first to a last"),
        ({"first_port": 80, "last_port": 90}, "first_port"),
        ({"hours": 0}, "hours"),
    ],
)
def test_terms_that_cannot_be(offering: FleetTarget, terms: dict[str, Any], said: str) -> None:
    with pytest.raises(WrongOffer, match=said):
        offer(offering, **terms)


def test_two_environments_never_give_out_the_same_ports(offering: FleetTarget, make_place: MakeFleetTarget) -> None:
    other = make_place(hosts=1)
    with pytest.raises(WrongOffer, match="gives out ports 8000 to 8002"):
        offer(other, first_port=8002, last_port=8010)
    offer(other, first_port=8003, last_port=8010)


def test_the_api_makes_extends_and_takes_away(offering: FleetTarget, django_assert_max_num_queries: Any) -> None:
    api, slug = api_of(user=offering.by), offering.target.slug
    answer = api.post(f"targets/{slug}/endpoints", {"branch": "feature/x", "hours": 2})
    assert answer.status_code == 201, answer.content
    assert answer["Location"] == f"/api/v1/targets/{slug}/feature-x"
    made = answer.json()["endpoint"]
    assert (made["target"], made["branch"], made["going"]) == (f"{slug}/feature-x", "feature/x", False)
    read = api.get(f"targets/{slug}/feature-x").json()
    assert (read["endpoint"], read["latest"]["id"]) == ("feature-x", answer.json()["deploy"])
    check_problem(api.post(f"targets/{slug}/endpoints", {"branch": "feature/x"}), 409, "taken")
    check_problem(api.post(f"targets/{slug}/endpoints", {"branch": "main", "name": "a b"}), 400, "wrong-values")
    check_problem(api.post(f"targets/{slug}/endpoints", {"branch": "absent"}), 400, "ref-not-found")
    check_problem(api_of(role="viewer").post(f"targets/{slug}/endpoints", {"branch": "main"}), 403, "not-allowed")
    later = api.post(f"targets/{slug}/endpoints/feature-x/extend")
    assert later.json()["until"] > made["until"]
    gone = api.delete(f"targets/{slug}/endpoints/feature-x")
    assert (gone.status_code, gone.json()["status"]) == (201, "waiting")
    with django_assert_max_num_queries(15):
        (listed,) = api.get(f"targets/{slug}/endpoints").json()
    assert listed["going"] is True
    check_problem(api.delete(f"targets/{slug}/endpoints/absent"), 404, "not-found")


def test_the_api_says_what_is_offered(offering: FleetTarget) -> None:
    place = offering.target.environment.name
    admin = api_of(role="administrator")
    terms = admin.get(f"environments/{place}/endpoints").json()
    assert admin.put(f"environments/{place}/endpoints", terms | {"most": 7}).json()["most"] == 7
    check_problem(api_of().put(f"environments/{place}/endpoints", terms), 403, "not-allowed")
    assert admin.delete(f"environments/{place}/endpoints").status_code == 204
    check_problem(admin.get(f"environments/{place}/endpoints"), 404, "not-found")


@pytest.fixture
def sign_in(client: Client) -> Callable[[User], Client]:
    def signed(user: User) -> Client:
        client.force_login(user)
        return client

    return signed


def test_a_page_makes_one_and_lists_it(offering: FleetTarget, sign_in: Callable[[User], Client]) -> None:
    client, address = sign_in(offering.by), f"/{offering.target.slug}/"
    answer = client.post(f"{address}endpoints", {"branch": "feature/x", "name": ""})
    deploy = Deploy.objects.get()
    assert answer["Location"] == f"/deploys/{deploy.pk}"
    page = client.get(address).content.decode()
    assert f'href="{address}feature-x/"' in page
    assert "Make an endpoint" in page
    own = client.get(f"{address}feature-x/").content.decode()
    assert "it ends" in own
    assert client.post(f"{address}feature-x/extend")["Location"] == f"{address}feature-x/"
    for below in ("deploy", "configuration", "approvals"):
        assert client.get(f"{address}feature-x/{below}").status_code == 200, below
    assert client.get(f"/deploys/{deploy.pk}").status_code == 200
    taken = client.post(f"{address}feature-x/take-away")
    assert taken["Location"] == f"/deploys/{Deploy.objects.latest('pk').pk}"
    assert client.get(f"{address}absent/").status_code == 404
    assert client.get(f"{address}feature-x/edit").status_code == 404


def test_who_looks_is_shown_no_buttons(offering: FleetTarget, viewer: User, sign_in: Callable[[User], Client]) -> None:
    make(offering, "feature/x")
    client, address = sign_in(viewer), f"/{offering.target.slug}/"
    page = client.get(address).content.decode() + client.get(f"{address}feature-x/").content.decode()
    assert "feature-x" in page
    assert "Make an endpoint" not in page
    assert "Take it away" not in page
    assert client.post(f"{address}endpoints", {"branch": "main"}).status_code == 403


def test_home_does_not_show_it_as_a_target(offering: FleetTarget, sign_in: Callable[[User], Client]) -> None:
    make(offering, "feature/x")
    client = sign_in(offering.by)
    page = client.get("/").content.decode()
    assert page.count(f'href="/{offering.target.slug}/"') >= 1


def test_what_is_set_for_it_wins_over_what_is_set_for_its_target(offering: FleetTarget) -> None:
    endpoint, parent = make(offering), offering.target
    changing.set_value(Scope(parent), "GREETING", "hello", by=None)
    changing.set_value(Scope(parent), "COLOUR", "blue", by=None)
    changing.set_value(Scope(endpoint.target), "GREETING", "only here", by=None)
    got = {it.name: (it.row.text, it.source) for it in merging.merged(endpoint.target)}
    assert got == {"GREETING": ("only here", endpoint.target.slug), "COLOUR": ("blue", parent.slug)}
    assert {it.name: it.row.text for it in merging.merged(parent)} == {"GREETING": "hello", "COLOUR": "blue"}
    marks = Target.objects.in_bulk([parent.pk, endpoint.target.pk])
    assert marks[endpoint.target.pk].configuration_at > marks[parent.pk].configuration_at > 0
    over(endpoint)
    assert {row.target for row in ConfigurationValue.objects.all()} == {parent}


def test_it_deploys_as_its_target_does_now(offering: FleetTarget) -> None:
    endpoint = make(offering)
    make_step(target=offering.target, name="restart", command="systemctl restart", phase="restart")
    Target.objects.filter(pk=offering.target.pk).update(linked_dirs=["uploads"], umask="027")
    Deploy.objects.update(status=DeployStatus.SUCCEEDED)
    target = Target.objects.get(pk=endpoint.target.pk)
    deploy = lifecycle.request_deploy(target=target, ref="main", by=offering.by)
    assert [step["name"] for step in deploy.recipe["steps"]] == ["restart"]
    assert (deploy.recipe["linked_dirs"], deploy.recipe["umask"]) == (["uploads"], "027")
    assert (deploy.recipe["root"], deploy.recipe["keep"]) == (target.root, 2)
    facts = recipes.facts(deploy)
    assert (facts["DEPLOYER_ENDPOINT"], facts["DEPLOYER_ADDRESS"]) == ("main", endpoint.address)
    ports = recipes.ports(deploy, list(deploy.runs.all()))
    assert set(ports.values()) == {8000}


def test_the_settings_say_what_is_offered(make_place: MakeFleetTarget, sign_in: Callable[[User], Client]) -> None:
    place = make_place().target.environment
    client, address = sign_in(make_user(role="administrator")), f"/settings/environments/{place.name}/endpoints"
    assert "Offer endpoints" in client.get(address).content.decode()
    terms = {"address": ADDRESS, "role": "", "first_port": "8000", "last_port": "8010"}
    terms |= {"most": "9", "most_each": "0", "hours": "24"}
    wrong = client.post(address, terms | {"last_port": "7000"})
    assert (wrong.status_code, "not below it" in wrong.content.decode()) == (422, True)
    assert 'value="7000"' in wrong.content.decode(), "what was typed stays"
    assert client.post(address, terms | {"hours": "x"}).status_code == 422
    assert client.post(address, terms)["Location"] == address
    offer = EndpointOffer.objects.get(environment=place)
    assert (offer.first_port, offer.most, offer.hours) == (8000, 9, 24)
    assert "at most 9" in client.get("/settings/environments").content.decode()
    client.post(f"{address}/withdraw")
    assert not EndpointOffer.objects.exists()
