"""Machines of EC2 as a source, read from moto's real server: regions, tags, pages, addresses, and what goes wrong."""

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import count
from typing import Any

import boto3
import httpx
import pytest

from environments.models import Environment, Host, HostSource, Membership, Role, User
from environments.sources import keeping, refreshing
from environments.sources.keeping import Plan
from environments.sources.kinds import ec2
from environments.sources.listing import Asked, Found, Listing, NotReadable, SettingsWrong
from tests import builders
from tests.patience import eventually
from tests.ports import closed_port
from tests.processes import Processes

pytestmark = pytest.mark.django_db

KEY, SECRET = "AKIAEXAMPLE", "a secret of nobody"


@pytest.fixture(scope="module")
def cloud(processes: Processes) -> str:
    """Its address."""
    port = closed_port()
    child = processes.start([sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)])
    address = f"http://127.0.0.1:{port}"

    def answers() -> bool:
        assert child.poll() is None, "moto has ended."
        try:
            return httpx.get(f"{address}/moto-api/").status_code == 200
        except httpx.HTTPError:
            return False

    eventually(answers, what="the answer of moto")
    return address


@dataclass(frozen=True)
class Account:
    """One server for all: each test has machines of its own, by a tag."""

    cloud: str
    mark: str

    def client(self, region: str) -> Any:
        keys = {"aws_access_key_id": KEY, "aws_secret_access_key": SECRET}
        return boto3.client("ec2", region_name=region, endpoint_url=self.cloud, **keys)


_marks = count(1)


@pytest.fixture
def account(cloud: str) -> Account:
    return Account(cloud, f"test-{next(_marks)}")


def start(
    account: Account, region: str, number: int = 1, tags: Mapping[str, str] | None = None
) -> list[dict[str, Any]]:
    told = [{"Key": key, "Value": value} for key, value in {"of": account.mark, **(tags or {})}.items()]
    made = account.client(region).run_instances(
        ImageId="ami-12c6146b",
        MinCount=number,
        MaxCount=number,
        TagSpecifications=[{"ResourceType": "instance", "Tags": told}],
    )
    return list(made["Instances"])


def stop(account: Account, region: str, *machines: dict[str, Any]) -> None:
    account.client(region).terminate_instances(InstanceIds=[machine["InstanceId"] for machine in machines])


def read(account: Account, *tags: str, **said: str) -> Listing:
    settings = {"regions": "eu-west-1", "address": account.cloud, "access_key": KEY}
    asked = Asked(settings | {"tags": ",".join([f"of={account.mark}", *tags])} | said, SECRET, "deploy", 60.0)
    assert ec2.check(asked) == {}
    return ec2.read(asked)


def test_a_machine_is_a_host_with_what_its_tags_say(account: Account) -> None:
    tags = {"Name": "Web 1", "role": "web, cron", "env": "production", "bad": "a,b", "k:v": "x"}
    (machine,) = start(account, "eu-west-1", tags=tags)
    (found,) = read(account).hosts
    assert found == Found(
        key=machine["InstanceId"],
        address=machine["PrivateIpAddress"],
        name="web-1",
        roles=("web", "cron"),
        labels=(("env", "production"), ("of", account.mark)),
        zone=f"eu-west-1/{machine['Placement']['AvailabilityZone']}",
    )


def test_by_which_address_role_and_place(account: Account) -> None:
    (machine,) = start(account, "eu-west-1", tags={"kind": "db", "where": "frankfurt/hall-2"})
    (found,) = read(account, reached_by="public", role_tag="kind", place_tag="where").hosts
    assert found.address not in ("", machine["PrivateIpAddress"])
    assert (found.roles, found.zone) == (("db",), "frankfurt/hall-2")
    (named,) = read(account, reached_by="name").hosts
    assert named.address == machine["PrivateDnsName"].lower()


def test_only_what_has_all_the_tags_runs_and_stands_in_the_regions(account: Account) -> None:
    first = start(account, "eu-west-1", tags={"env": "production", "team": "a"})
    start(account, "eu-west-1", tags={"env": "production"})
    gone = start(account, "eu-west-1", tags={"env": "production", "team": "b"})
    other = start(account, "us-east-1", tags={"env": "production", "team": "c"})
    start(account, "ap-south-1", tags={"env": "production", "team": "d"})
    stop(account, "eu-west-1", *gone)
    found = read(account, "env=production", "team", regions="eu-west-1, us-east-1").hosts
    assert {one.key for one in found} == {first[0]["InstanceId"], other[0]["InstanceId"]}
    assert {one.zone.partition("/")[0] for one in found} == {"eu-west-1", "us-east-1"}


def test_all_pages_are_read_and_machines_of_one_name_are_told_apart(
    account: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ec2, "PAGE", 5)
    made = start(account, "eu-west-1", 6, tags={"Name": "web"}) + start(account, "eu-west-1", 6, tags={"Name": "web"})
    found = read(account).hosts
    assert {one.key for one in found} == {one["InstanceId"] for one in made}
    assert {one.name for one in found} == {f"web-{one['InstanceId'][-8:]}" for one in made}


def test_an_account_that_cannot_be_asked_says_why() -> None:
    with pytest.raises(NotReadable, match="EC2 in eu-west-1 could not be asked"):
        read(Account(f"http://127.0.0.1:{closed_port()}", "x"))
    with pytest.raises(NotReadable, match="is not asked from here"):
        read(Account("http://169.254.169.254", "x"))


WRONG = [
    ({"regions": ""}, SECRET, "regions"),
    ({"regions": "eu-west-1, nowhere"}, SECRET, "regions"),
    ({"tags": "=x"}, SECRET, "tags"),
    ({"reached_by": "pigeon"}, SECRET, "reached_by"),
    ({"access_key": ""}, SECRET, "access_key"),
    ({}, "", "access_key"),
    ({"address": "ftp://x"}, SECRET, "address"),
]


@pytest.mark.parametrize(("said", "secret", "field"), WRONG)
def test_what_cannot_be_is_told_by_field(said: dict[str, str], secret: str, field: str) -> None:
    asked = Asked({"regions": "eu-west-1", "access_key": KEY} | said, secret)
    assert list(ec2.check(asked)) == [field]


class TestAsASource:
    @pytest.fixture
    def ada(self) -> User:
        return builders.make_user(username="ada", role=Role.ADMINISTRATOR)

    def plan(self, account: Account, **said: str) -> Plan:
        tags = f"env=production, of={account.mark}"
        settings = {"regions": "eu-west-1, us-east-1", "tags": tags, "address": account.cloud, "access_key": KEY}
        return Plan("ec2", settings | said, name="amazon", environment="production", secret=SECRET)

    def test_the_last_good_list_is_kept_when_a_region_fails_or_too_many_go(
        self, account: Account, ada: User, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        builders.make_environment(name="production")
        machines = start(account, "eu-west-1", 3, tags={"env": "production", "role": "web"})
        start(account, "us-east-1", tags={"env": "production"})
        source, outcome = keeping.add(self.plan(account), by=ada)
        assert len(outcome.meant) == 4
        assert source.secret not in ("", SECRET)
        assert sorted(Membership.objects.values_list("roles", flat=True)) == [[], ["web"], ["web"], ["web"]]
        stop(account, "eu-west-1", *machines[:2])
        kept = refreshing.refresh(HostSource.objects.get(), by=ada)
        assert "It no longer names 2 of its 4 hosts" in kept.kept
        real = ec2._ask

        def ask(asked: Asked) -> list[ec2.Machine]:
            """The second region is out of order, after the first has answered."""
            said, nowhere = dict(asked.settings), f"http://127.0.0.1:{closed_port()}"
            first = real(Asked(said | {"regions": "eu-west-1"}, asked.secret))
            return first + real(Asked(said | {"regions": "us-east-1", "address": nowhere}, asked.secret))

        monkeypatch.setattr(ec2, "_ask", ask)
        with pytest.raises(NotReadable, match="EC2 in us-east-1"):
            refreshing.refresh(HostSource.objects.get(), by=ada)
        assert Membership.objects.count() == Host.objects.count() == 4
        assert "EC2 in us-east-1" in HostSource.objects.get().trouble

    def test_one_that_cannot_be_read_is_not_saved(self, ada: User) -> None:
        Environment.objects.create(name="production")
        with pytest.raises(NotReadable):
            keeping.add(self.plan(Account(f"http://127.0.0.1:{closed_port()}", "x")), by=ada)
        with pytest.raises(SettingsWrong):
            keeping.add(self.plan(Account("", "x"), regions="x"), by=ada)
        assert not HostSource.objects.exists()
