"""Hosts behind a gateway: two OpenSSH servers, the second of which is reached through the first."""

import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from environments import ssh
from environments.keys import ensure_key_pair
from environments.models import Host, HostKey, Region, Zone
from environments.ssh import gateways
from environments.ssh.connection import own_key
from tests.deployments.fleet import eventually
from tests.deployments.openssh import OpenSSH, running
from tests.processes import Processes


@pytest.fixture
def public(db: None) -> Iterator[str]:
    yield ensure_key_pair().public
    ssh.close_idle(-1)


@pytest.fixture
def servers(public: str, tmp_path: Path, processes: Processes) -> Iterator[tuple[OpenSSH, OpenSSH]]:
    """The gateway, and a server behind it."""
    with running(processes, tmp_path / "gateway") as gateway, running(processes, tmp_path / "inner") as inner:
        for server in (gateway, inner):
            (server.folder / "authorized_keys").write_text(public)
        yield gateway, inner


def make_host(name: str, server: OpenSSH, zone: Zone) -> Host:
    host = Host.objects.create(name=name, address="127.0.0.1", port=server.port, zone=zone)
    (shown,) = ssh.scan("127.0.0.1", server.port)
    HostKey.objects.create(host=host, algorithm=shown.algorithm, key=shown.key, accepted_by="ada")
    return host


@pytest.fixture
def behind(servers: tuple[OpenSSH, OpenSSH]) -> Host:
    """A host in a region whose gateway is in it too."""
    gateway, inner = servers
    region = Region.objects.create(name="eu", gateway_user=gateway.user)
    zone = Zone.objects.create(region=region, name="a")
    region.gateway = make_host("jump-01", gateway, zone)
    region.save()
    return make_host("web-01", inner, zone)


def said(host: Host, user: str, command: str = "printf hello") -> bytes:
    data = b""
    with ssh.program(host, user, command) as channel:
        while more := channel.receive(30):
            data += more
    return data


def assert_signed_in(servers: tuple[OpenSSH, OpenSSH], *times: int) -> None:
    """sshd's log may come a moment later than what it tells."""
    logs = servers[: len(times)]
    eventually(lambda: all(server.signed_in >= n for server, n in zip(logs, times, strict=True)), what="sshd's log")
    assert tuple(server.signed_in for server in logs) == times


def test_a_host_is_reached_through_its_gateway(servers: tuple[OpenSSH, OpenSSH], behind: Host) -> None:
    _, inner = servers
    assert said(behind, inner.user) == b"hello"
    # the inner server's client is the gateway: its own connection, not ours
    assert_signed_in(servers, 1, 1)


def test_many_hosts_at_once_share_one_connection_to_the_gateway(servers: tuple[OpenSSH, OpenSSH], behind: Host) -> None:
    _, inner = servers
    hosts = [behind]
    for number in range(2, 6):
        other = Host.objects.create(name=f"web-0{number}", address="127.0.0.1", port=inner.port, zone=behind.zone)
        key = behind.keys.get()
        HostKey.objects.create(host=other, algorithm=key.algorithm, key=key.key, accepted_by="ada")
        hosts.append(other)
    answers: list[bytes] = []
    # all is read here: the test's database is this thread's own
    loaded = list(
        Host.objects.filter(pk__in=[host.pk for host in hosts])
        .select_related("zone__region__gateway")
        .prefetch_related("keys", "zone__region__gateway__keys")
    )
    own_key.get("web-01")
    threads = [threading.Thread(target=lambda h=host: answers.append(said(h, inner.user))) for host in loaded]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert answers == [b"hello"] * 5
    assert_signed_in(servers, 1, 5)


def test_the_gateway_itself_is_reached_directly(servers: tuple[OpenSSH, OpenSSH], behind: Host) -> None:
    gateway, inner = servers
    assert said(Host.objects.get(name="jump-01"), gateway.user) == b"hello"
    assert inner.signed_in == 0


def test_a_gateway_with_another_key_gets_nothing(servers: tuple[OpenSSH, OpenSSH], behind: Host) -> None:
    _, inner = servers
    shown = HostKey.objects.get(host=behind)
    HostKey.objects.filter(host__name="jump-01").update(key=shown.key)
    with pytest.raises(
        ssh.HostKeyChanged, match=r"web-01 is reached through the gateway jump-01 of eu\. jump-01 shows"
    ):
        said(behind, inner.user)
    assert_signed_in(servers, 0, 0)


def test_a_host_behind_a_gateway_with_another_key_gets_no_command(
    servers: tuple[OpenSSH, OpenSSH], behind: Host
) -> None:
    _, inner = servers
    other = HostKey.objects.get(host__name="jump-01")
    HostKey.objects.filter(host=behind).update(key=other.key)
    with pytest.raises(ssh.HostKeyChanged, match=r"^web-01 shows another host key"):
        said(behind, inner.user)
    assert inner.signed_in == 0


def test_a_host_that_the_gateway_cannot_reach_is_told(servers: tuple[OpenSSH, OpenSSH], behind: Host) -> None:
    _, inner = servers
    inner.stop()
    told = rf"through the gateway jump-01 of eu\. jump-01 cannot reach 127\.0\.0\.1:{inner.port}"
    with pytest.raises(ssh.HostUnreachable, match=told):
        said(behind, inner.user)


def test_a_gateway_that_died_is_replaced(servers: tuple[OpenSSH, OpenSSH], behind: Host) -> None:
    gateway, inner = servers
    assert said(behind, inner.user) == b"hello"
    gateway.drop()
    ssh.close_idle(-1)
    assert said(behind, inner.user) == b"hello"
    assert_signed_in(servers, 2)


def test_a_way_through_a_gateway_that_hears_nothing_is_closed_without_an_error(
    servers: tuple[OpenSSH, OpenSSH], behind: Host
) -> None:
    outer, _ = servers
    link = gateways.open_way(behind)
    (gateway,) = gateways._gateways.values()
    assert gateway.connection is not None
    # stopped, or it might hang up first: then there is nobody left to say good-bye to
    with outer.stopped():
        gateway.connection.transport.sock.shutdown(socket.SHUT_WR)
        link.close()


def test_connections_to_gateways_are_closed_with_the_last_one_through_them(
    servers: tuple[OpenSSH, OpenSSH], behind: Host
) -> None:
    _, inner = servers
    said(behind, inner.user)
    ssh.close_idle(-1)
    said(behind, inner.user)
    assert_signed_in(servers, 2, 2)


def test_keys_of_a_host_behind_a_gateway_are_scanned_through_it(servers: tuple[OpenSSH, OpenSSH], behind: Host) -> None:
    (shown,) = ssh.scan_host(behind)
    assert shown.key == behind.keys.get().key
    assert_signed_in(servers, 1)
