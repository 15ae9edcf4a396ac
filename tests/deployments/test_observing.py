"""Hosts that are only looked at, over real OpenSSH: what they run is seen, no verb takes them in or writes there."""

import re
from collections.abc import Iterator
from io import StringIO
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command
from django.test import Client
from django.urls import reverse

from deployments import batches, blockers, lifecycle, observations
from deployments.capistrano import leaving
from deployments.failures import ProgramFailed
from deployments.models import HeldRelease, Observation, Placement
from deployments.refusals import NoSuchHosts, NothingToConverge, TaskRefused
from deployments.states import DeployStatus, RunStatus
from deployments.writing import host_to_write
from environments import adding_hosts, editing_targets, host_lines, observing, setting_aside, ssh
from environments.access import NotAllowed
from environments.keys import ensure_key_pair
from environments.models import Aside, Environment, Host, Role, Target, Task, User
from notifications.models import Event
from tests import builders
from tests.deployments.api_client import api_of, check_problem
from tests.deployments.fleet import closed_port
from tests.deployments.host_program.capistrano_root import make_root
from tests.deployments.openssh import OpenSSH, running
from tests.deployments.shop_pages import sign_in, text_of
from tests.processes import Processes

pytestmark = pytest.mark.django_db


@pytest.fixture
def ada() -> User:
    ensure_key_pair()
    return builders.make_user(username="ada", first_name="Ada", last_name="Nwosu", role=Role.ADMINISTRATOR)


@pytest.fixture
def server(processes: Processes, tmp_path: Path) -> Iterator[OpenSSH]:
    with running(processes, tmp_path / "host") as server:
        (server.folder / "authorized_keys").write_text(ensure_key_pair().public + "\n")
        yield server


def observe(server: OpenSSH, by: User, root: str = "~/shop") -> Host:
    line = host_lines.read(f"{server.user}@127.0.0.1:{server.port} as web-1")
    return adding_hosts.add_hosts(line, environment="production", observe=True, root=root, by=by).hosts[0]


def everything(folder: Path) -> dict[str, float]:
    """All that lies there, and when it was last changed."""
    return {str(path): path.lstat().st_mtime for path in [folder, *folder.rglob("*")]}


@pytest.fixture
def target() -> Target:
    """One of two hosts, of which web-1 is only observed and web-2 is deployed to."""
    found = builders.make_target(hosts=0)
    builders.make_host(name="web-1", environment=found.environment, observed=True)
    builders.make_host(name="web-2", address="10.0.0.2", environment=found.environment)
    return found


@pytest.mark.django_db(transaction=True)  # it looks in threads
def test_a_worker_sees_what_it_runs_and_nothing_is_written(server: OpenSSH, ada: User) -> None:
    make_root(server.home / "shop")
    host = observe(server, ada)
    observations.look_around()
    (row,) = Observation.objects.filter(host=host)
    assert (row.login, [trouble["kind"] for trouble in row.troubles]) == (False, ["host-key-unknown"])
    assert server.signed_in == 0
    before = everything(server.home)
    adding_hosts.trust(host, ssh.scan_host(host), by=ada)  # and it is looked at again at once
    observations.look_around()
    row.refresh_from_db()
    assert (row.login, row.current, row.revision) == (True, "20260103100000", "3" * 40)
    assert (row.layout, row.releases, row.troubles) == ("capistrano", 3, [])
    assert everything(server.home) == before
    programs = server.programs
    observations.look_around()  # it is not due again
    assert server.programs == programs


def test_each_thing_in_the_way_is_explained(server: OpenSSH, ada: User) -> None:
    host = observe(server, ada, "/dev/null/shop")
    adding_hosts.trust(host, ssh.scan_host(host), by=ada)
    assert [trouble["kind"] for trouble in observations.probe(host, by=ada)[0].troubles] == ["root"]
    (server.folder / "authorized_keys").write_text("")
    (row,) = observations.probe(host, by=ada)
    (trouble,) = row.troubles
    assert (trouble["kind"], row.login) == ("key-refused", False)
    assert "authorized_keys" in trouble["do"]
    assert "does not let the Deployer's key in" in observations.tell([row])


def test_folders_of_targets_are_looked_at(server: OpenSSH, ada: User) -> None:
    host = observe(server, ada, root="")
    assert [root for _, root in observations.folders_of(host)] == [observations.USUAL_ROOT]
    builders.make_target(environment=Environment.objects.get(name="production"), root="~/one")
    builders.make_target(environment=Environment.objects.get(name="production"), root="~/two")
    assert [root for _, root in observations.folders_of(host)] == ["~/one", "~/two"]


class TestNoVerb:
    """The guards: a host that is only observed takes part in nothing."""

    def test_deploys_to(self, target: Target, ada: User) -> None:
        assert [one.host.name for one in blockers.members(target, aside=True)] == ["web-2"]
        with pytest.raises(NoSuchHosts, match="web-1 is only observed: nothing is written there"):
            lifecycle.request_deploy(target=target, ref="main", by=ada, hosts=["web-1"])
        task = Task.objects.create(target=target, name="warm", command="true")
        with pytest.raises(TaskRefused, match="only observed"):
            lifecycle.run_task(task, hosts=["web-1"], by=ada)
        builders.make_deploy(target=target)
        with pytest.raises(NothingToConverge, match="only observed"):
            lifecycle.converge(target, hosts=["web-1"], by=ada)

    def test_rolls_back_or_leaves(self, target: Target, ada: User) -> None:
        first, second = builders.make_deploy(target=target), builders.make_deploy(target=target)
        for host in Host.objects.all():  # as if it had been deployed to once
            placed = builders.make_placement(host=host, target=target, current=second.release)
            HeldRelease.objects.create(placement=placed, release_id=first.release_id or 0)
        deploy = lifecycle.roll_back(target, to=first, by=ada)
        assert list(deploy.runs.values_list("host_name", flat=True)) == ["web-2"]
        assert [host.name for host in leaving.hosts_of(target)] == ["web-2"]

    def test_drains_or_names_it_as_a_runner(self, target: Target, ada: User) -> None:
        host = Host.objects.get(name="web-1")
        with pytest.raises(observing.OnlyObserved, match="Nothing was changed"):
            setting_aside.set_aside(host, how=Aside.DRAINED, why="disk", by=ada)
        with pytest.raises(observing.OnlyObserved):
            setting_aside.take_back(host, by=ada)
        host.refresh_from_db()
        assert host.aside == ""
        plan = editing_targets.TargetPlan("/srv/x", "deploy", command="true", runner="web-1")
        with pytest.raises(editing_targets.TargetWrong, match="only observed"):
            editing_targets.add_target(builders.make_application(), target.environment, plan, by=ada)

    def test_sends_it_a_program_whatever_a_plan_says(self, target: Target) -> None:
        deploy = builders.make_deploy(target=target, status=DeployStatus.RUNNING)
        run = builders.make_run(deploy=deploy, host=Host.objects.get(name="web-1"), status=RunStatus.PENDING)
        with pytest.raises(ProgramFailed) as refused:
            host_to_write(run)
        assert refused.value.kind == "only-observed"
        assert batches.load(deploy.pk) is not None

    def test_goes_where_all_are_observed(self, target: Target) -> None:
        Host.objects.filter(name="web-2").delete()
        (blocker,) = blockers.blockers(target)
        assert blocker.kind == "no-hosts"
        assert "web-1 is only observed" in blocker.text


def test_one_act_makes_it_a_host_that_is_deployed_to(target: Target, ada: User) -> None:
    host = Host.objects.get(name="web-1")
    with pytest.raises(NotAllowed):
        observing.take_up(host, by=builders.make_user())
    observing.take_up(host, by=ada)
    assert [one.host.name for one in blockers.members(target)] == ["web-1", "web-2"]
    assert Event.objects.filter(kind="host.taken_up", host="web-1", actor="ada").count() == 1
    with pytest.raises(observing.NotObserved):
        observing.take_up(host, by=ada)
    assert not Placement.objects.filter(host=host).exists()


def test_one_that_is_deployed_to_is_not_quietly_made_an_observed_one(target: Target, ada: User) -> None:
    host = Host.objects.get(name="web-2")
    lines = host_lines.read(f"deploy@{host.address}:{host.port}")
    with pytest.raises(adding_hosts.HostTaken, match="cannot be only observed"):
        adding_hosts.add_hosts(lines, environment="other", observe=True, by=ada)
    assert not Environment.objects.filter(name="other").exists()
    wrong = host_lines.read("deploy@10.0.0.1")
    with pytest.raises(observing.WrongFolder):
        adding_hosts.add_hosts(wrong, environment="other", observe=True, root="srv/../x", by=ada)
    assert not Host.objects.filter(address="10.0.0.1").exists()


class TestDoors:
    def test_the_pages(self, server: OpenSSH, ada: User) -> None:
        make_root(server.home / "shop")
        client: Client = sign_in(ada)
        form = {"hosts": f"{server.user}@127.0.0.1:{server.port} as web-1", "environment": "production"}
        client.post(reverse("add-hosts"), form | {"observe": "yes", "root": "~/shop"})
        host = Host.objects.get(name="web-1")
        adding_hosts.trust(host, ssh.scan_host(host), by=ada)
        client.post(reverse("ask-host", args=["web-1"]))
        page = text_of(client.get(reverse("host", args=["web-1"])).content)
        assert "Only observed : nothing is written there" in page
        assert re.search(r"3333333 +in +~/shop +Capistrano", page)
        assert "Drain" not in page
        assert "3333333 in ~/shop" in text_of(client.get(reverse("hosts"), {"state": "observed"}).content)
        refused = client.post(reverse("set-aside", args=["web-1"]), {"how": "drained", "why": "x"}, follow=True)
        assert "only observed: nothing is written there" in text_of(refused.content)
        client.post(reverse("name-folder", args=["web-1"]), {"root": "~/other"})
        assert list(Observation.objects.values_list("root", flat=True)) == ["~/other"]
        client.post(reverse("take-up-host", args=["web-1"]))
        assert "Only observed" not in text_of(client.get(reverse("host", args=["web-1"])).content)

    def test_the_api(self, ada: User) -> None:
        api = api_of(user=ada)
        body = {"lines": [f"deploy@127.0.0.1:{closed_port()} as web-1"], "observe": True}
        (made,) = api.post("environments/production/hosts", body).json()["hosts"]
        assert (made["observed"], made["new"]) == (True, True)
        assert [row["observed"] for row in api.get("hosts").json()["items"]] == [True]
        said = api.post("hosts/web-1/probe").json()
        ((folder,),) = [said["folders"]]
        assert (said["observed"], folder["login"], folder["troubles"][0]["kind"]) == (True, False, "unreachable")
        assert api.put("hosts/web-1/folder", {"root": "/srv/shop"}).status_code == 204
        check_problem(api.put("hosts/web-1/folder", {"root": "srv"}), 400, "wrong-values")
        assert api.post("hosts/web-1/take-up").status_code == 204
        check_problem(api.post("hosts/web-1/take-up"), 409, "not-possible")

    def test_the_command_line(self) -> None:
        out = StringIO()
        line = f"deploy@127.0.0.1:{closed_port()} as web-1"
        call_command("host", "add", line, "--environment", "production", "--observe", stdout=out)
        with pytest.raises(CommandError, match="could not be looked at"):
            call_command("host", "probe", "web-1", stdout=out)
        assert "web-1 (only observed)" in out.getvalue()
        call_command("host", "take-up", "web-1", stdout=out)
        with pytest.raises(CommandError, match="already"):
            call_command("host", "take-up", "web-1")
