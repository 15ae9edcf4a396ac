"""Labels by which targets choose hosts, and the note on a host."""

import pytest
from django.db import transaction
from django.test import Client
from django.urls import reverse

from deployments.blockers import blockers, members
from environments import access, adding_hosts, editing_targets, endpoints, host_notes
from environments.adding_hosts import LabelsWrong
from environments.editing_targets import TargetPlan, TargetWrong
from environments.models import Host, HostSource, Membership, Role, Target
from notifications.models import Event
from tests.builders import make_application, make_environment, make_host, make_target, make_user
from tests.deployments.api_client import api_of, check_problem

pytestmark = pytest.mark.django_db
ADMINISTRATOR = Role.ADMINISTRATOR


@pytest.fixture
def target() -> Target:
    """One whose environment has four hosts, with roles and labels."""
    found = make_target(application=make_application(name="shop"), environment=make_environment(name="staging"))
    rows = (
        ("web-1", ["web"], {"tier": "front", "disk": "ssd"}),
        ("web-2", ["web"], {"tier": "front"}),
        ("web-3", ["web"], {"tier": "back", "disk": "ssd"}),
        ("db-1", ["db"], {"tier": "front", "disk": "ssd"}),
    )
    for number, (name, roles, labels) in enumerate(rows):
        host = make_host(name=name, address=f"10.0.0.{number}", environment=found.environment, roles=roles)
        Membership.objects.filter(host=host).update(labels=labels)
    return found


def chosen(target: Target, role: str = "", *labels: str) -> list[str]:
    target.role, target.labels = role, list(labels)
    return [member.host.name for member in members(target)]


def test_a_target_chooses_by_role_and_all_its_labels(target: Target) -> None:
    assert len(chosen(target)) == 4
    assert chosen(target, "", "tier=front") == ["db-1", "web-1", "web-2"]
    assert chosen(target, "", "tier=front", "disk=ssd") == ["db-1", "web-1"]
    assert chosen(target, "web", "tier=front", "disk=ssd") == ["web-1"]
    assert chosen(target, "", "tier=") == []
    assert chosen(target, "", "absent=None") == []


@pytest.mark.parametrize(("role", "hosts"), [("", ["web-1"]), ("db", ["db-1"])])
def test_an_endpoint_is_on_no_host_that_its_target_does_not_choose(role: str, hosts: list[str], target: Target) -> None:
    """Unless the offer names hosts of their own for endpoints."""
    Target.objects.update(role="web", labels=["tier=front", "disk=ssd"])
    address = "http://{application}-{endpoint}.staging.example.com"
    endpoints.set_offer(target.environment, by=None, address=address, role=role)
    with transaction.atomic():
        made = endpoints.make(Target.objects.get(), "main", by=None, name="try")
    assert [member.host.name for member in members(made.target)] == hosts


def test_a_target_that_chooses_nobody_says_by_what(target: Target) -> None:
    Target.objects.update(role="web", labels=["tier=none", "disk=ssd"])
    (one,) = [blocker for blocker in blockers(Target.objects.get()) if blocker.kind == "no-hosts"]
    assert one.text == "No host of staging has the role web and tier=none and disk=ssd, which shop wants there."


WRONG: list[tuple[str, ...]] = [("tier",), ("=x",), ("a b=c",), ("tier=a,b",), ("tier=a", "tier=b"), ("tier=\n",)]


@pytest.mark.parametrize("labels", WRONG)
def test_what_is_no_label_is_refused(labels: tuple[str, ...]) -> None:
    plan = TargetPlan("/srv/shop", "deploy", labels=labels)
    with pytest.raises(TargetWrong, match="labels"):
        editing_targets.add_target(make_application(), make_environment(), plan, by=None)


class TestDoors:
    def test_the_page_of_a_target(self, client: Client, target: Target) -> None:
        client.force_login(make_user(role=ADMINISTRATOR))
        address = reverse("edit-target", args=["shop", "staging"])
        form = {"root": "/srv/app", "user": "deploy", "keep": "5", "labels": " tier=front,  disk=ssd, "}
        assert client.post(address, form).status_code == 302
        target.refresh_from_db()
        assert target.labels == ["tier=front", "disk=ssd"]
        assert 'value="tier=front, disk=ssd"' in client.get(address).content.decode()
        wrong = client.post(address, form | {"labels": "tier"}).content.decode()
        assert "is no label" in wrong

    def test_the_page_of_a_host(self, client: Client, target: Target) -> None:
        client.force_login(make_user(username="ada", role=ADMINISTRATOR, first_name="Ada", last_name="Nwosu"))
        address = reverse("host", args=["web-1"])
        client.post(
            reverse("label-host", args=["web-1"]), {"environment": "staging", "labels": "tier=back, city=New York"}
        )
        client.post(reverse("note-host", args=["web-1"]), {"note": "Its disk\r\n is   slow <b>"})
        page = client.get(address).content.decode()
        assert 'value="city=New York, tier=back"' in page
        assert "Its disk<br>is slow &lt;b&gt;" in page
        assert "Ada Nwosu" in page
        form = {"environment": "staging", "labels": "!"}
        wrong = client.post(reverse("label-host", args=["web-1"]), form, follow=True)
        assert "can be no name of a label" in wrong.content.decode()
        client.post(reverse("note-host", args=["web-1"]), {"note": ""})
        host = Host.objects.get(name="web-1")
        assert (host.note, host.note_by, host.note_at) == ("", "", None)
        kinds = list(Event.objects.filter(host="web-1").order_by("pk").values_list("kind", flat=True))
        assert kinds == ["host.labelled", "host.noted", "host.noted"]

    def test_the_api(self, target: Target) -> None:
        admin = api_of(role=ADMINISTRATOR)
        labels = admin.put("environments/staging/hosts/web-1/labels", {"labels": {"tier": "x"}})
        assert labels.status_code == 204
        assert api_of().put("hosts/web-1/note", {"text": "slow"}).status_code == 204
        (row,) = [row for row in admin.get("hosts").json()["items"] if row["name"] == "web-1"]
        assert row["environments"] == [{"name": "staging", "roles": ["web"], "labels": {"tier": "x"}}]
        assert (row["note"], bool(row["note_by"]), bool(row["note_at"])) == ("slow", True, True)
        body = {"labels": {"a b": "x"}}
        check_problem(admin.put("environments/staging/hosts/web-1/labels", body), 400, "wrong-values")
        check_problem(admin.put("environments/none/hosts/web-1/labels", {"labels": {}}), 404, "not-found")
        check_problem(admin.put("hosts/none/note", {"text": "x"}), 404, "not-found")
        wanted = {"application": "shop", "environment": "later", "root": "/srv/x", "user": "deploy"}
        make_environment(name="later")
        assert admin.post("targets", wanted | {"labels": ["tier=x"]}).status_code == 201
        assert Target.objects.get(environment__name="later").labels == ["tier=x"]


def test_what_a_source_says_only_it_changes(target: Target) -> None:
    HostSource.objects.create(name="cmdb", kind="lines", environment=target.environment)
    Membership.objects.filter(host__name="web-1").update(source="cmdb")
    with pytest.raises(LabelsWrong, match="cmdb says which labels"):
        adding_hosts.label(Host.objects.get(name="web-1"), target.environment, {"tier": "x"}, by=None)


@pytest.mark.parametrize("role", [Role.VIEWER, Role.MAINTAINER])
def test_who_may(role: str, target: Target) -> None:
    host, person = Host.objects.get(name="web-1"), make_user(role=role)
    with pytest.raises(access.NotAllowed):
        adding_hosts.label(host, target.environment, {"tier": "x"}, by=person)
    if role == Role.VIEWER:
        with pytest.raises(access.NotAllowed):
            host_notes.write(host, "x", by=person)
    else:
        assert host_notes.write(host, "x", by=person)
        assert not host_notes.write(host, "x", by=person)


def test_a_note_has_an_end(target: Target) -> None:
    with pytest.raises(host_notes.NoteTooLong, match="1000"):
        host_notes.write(Host.objects.get(name="web-1"), "x" * 1001, by=None)
