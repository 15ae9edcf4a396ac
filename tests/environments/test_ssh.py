"""SSH to servers as they may be: none gets a command whose key nobody has accepted."""

from collections.abc import Callable, Iterator

import paramiko
import pytest

from environments import ssh
from environments.keys import ensure_key_pair
from environments.models import Host, HostKey
from environments.ssh import connection, pool
from tests.environments.ssh_server import OldServer, SSHServer, a_server

MakeHost = Callable[..., Host]


@pytest.fixture
def public(db: None) -> Iterator[str]:
    """The Deployer's public key, base64."""
    yield ensure_key_pair().public.split()[1]
    ssh.close_idle(-1)


@pytest.fixture
def server(public: str) -> Iterator[SSHServer]:
    with a_server() as made:
        made.lets_in.add(public)
        yield made


def trusted(server: SSHServer, key: paramiko.PKey | None = None) -> Host:
    host = Host.objects.create(name="web-01", address="127.0.0.1", port=server.port)
    shown = key or server.key
    HostKey.objects.create(host=host, algorithm=shown.get_name(), key=shown.get_base64(), accepted_by="ada")
    return host


def talk(host: Host) -> bytes:
    with ssh.program(host, "deploy", "cat") as channel:
        assert channel.receive(60) == b"hello\n"
        channel.send(b"abc")
        return channel.receive(60) or b""


def test_it_talks_with_a_program(server: SSHServer) -> None:
    assert talk(trusted(server)) == b"abc"
    assert (server.commands, server.users[-1]) == (["cat"], "deploy")


def test_signing_in_leaves_the_shared_configuration_alone(server: SSHServer) -> None:
    """Other threads read it meanwhile, and would miss what is being replaced."""
    assert talk(trusted(server)) == b"abc"
    assert connection.shared_config._modifications == {}


def test_nothing_within_the_time_is_none_and_the_end_is_empty(server: SSHServer) -> None:
    with pool.program(trusted(server), "deploy", "cat") as channel:
        assert channel.receive(60) == b"hello\n"
        assert channel.receive(0.05) is None
        server.drop()
        assert channel.receive(60) == b""
        assert not channel.ended_by_host
        with pytest.raises(ssh.HostUnreachable, match="The link to web-01 broke while sending"):
            channel.send(b"x" * 100)


def test_a_warm_connection_is_used_again(server: SSHServer) -> None:
    host = trusted(server)
    for _ in range(3):
        assert talk(host) == b"abc"
    assert (server.connections, len(server.commands)) == (1, 3)


def test_a_connection_that_died_while_idle_is_replaced(server: SSHServer) -> None:
    host = trusted(server)
    talk(host)
    server.drop()
    assert talk(host) == b"abc"
    assert server.connections == 2


@pytest.mark.parametrize("close", ["forget", "close_idle"])
def test_idle_connections_are_closed(close: str, server: SSHServer) -> None:
    host = trusted(server)
    talk(host)
    if close == "forget":
        ssh.forget(host)
    else:
        ssh.close_idle(-1)
    talk(host)
    assert server.connections == 2


def test_a_host_without_an_accepted_key_is_not_even_called(server: SSHServer) -> None:
    host = Host.objects.create(name="web-01", address="127.0.0.1", port=server.port)
    with pytest.raises(ssh.HostKeyUnknown, match="Nobody has accepted a host key of web-01, so nothing was sent"):
        talk(host)
    assert server.connections == 0


def test_a_host_with_another_key_gets_no_command(server: SSHServer) -> None:
    host = trusted(server, paramiko.ECDSAKey.generate())
    with pytest.raises(ssh.HostKeyChanged, match="so no command was sent") as refused:
        talk(host)
    assert (refused.value.host, refused.value.kind) == ("web-01", "host-key-changed")
    assert (server.connections, server.commands, server.users) == (1, [], [])


def test_a_host_with_a_key_of_another_kind_gets_no_command(server: SSHServer) -> None:
    host = trusted(server, paramiko.RSAKey.generate(2048))
    with pytest.raises(ssh.HostKeyChanged):
        talk(host)
    assert (server.commands, server.users) == ([], [])


def test_a_host_may_have_accepted_keys_of_several_kinds(server: SSHServer) -> None:
    host = trusted(server)
    other = paramiko.RSAKey.generate(2048)
    HostKey.objects.create(host=host, algorithm=other.get_name(), key=other.get_base64(), accepted_by="ada")
    assert talk(host) == b"abc"


def test_the_key_of_one_host_is_none_for_another_at_the_same_address(server: SSHServer) -> None:
    trusted(server)
    with a_server() as second:
        host = Host.objects.create(name="web-02", address="127.0.0.1", port=second.port)
        with pytest.raises(ssh.HostKeyUnknown):
            talk(host)
        assert second.connections == 0


def test_a_host_that_refuses_our_key_is_told(server: SSHServer) -> None:
    server.lets_in.clear()
    with pytest.raises(ssh.KeyRefused, match=r"does not let the Deployer's key in as deploy\. Put the line of"):
        talk(trusted(server))
    assert server.commands == []


@pytest.mark.usefixtures("public")
def test_a_host_that_only_knows_sha1_is_outdated() -> None:
    with a_server(OldServer) as server, pytest.raises(ssh.HostOutdated, match="cannot speak SSH safely"):
        talk(trusted(server))
    assert (server.connections, server.commands) == (1, [])


def test_a_host_without_strict_key_exchange_is_outdated(public: str) -> None:
    with a_server(strict_kex=False) as server:
        server.lets_in.add(public)
        with pytest.raises(ssh.HostOutdated, match="strict key exchange"):
            talk(trusted(server))
    assert (server.commands, server.users) == ([], [])


def test_a_host_that_starts_no_program_is_told(server: SSHServer) -> None:
    server.starts_programs = False
    with pytest.raises(ssh.HostUnreachable, match="web-01 let us in but started no program"):
        talk(trusted(server))


def test_a_host_that_is_down_is_told(server: SSHServer) -> None:
    host = trusted(server)
    server.stop()
    with pytest.raises(ssh.HostUnreachable, match=rf"web-01 \(127\.0\.0\.1:{server.port}\) cannot be reached"):
        talk(host)


def test_without_a_key_pair_nobody_is_called(db: None) -> None:
    with a_server() as server, pytest.raises(ssh.NoKeyPair, match=r"Run `manage\.py key create`"):
        talk(trusted(server))
    assert server.connections == 0


def test_a_scan_shows_keys_and_signs_in_nowhere(server: SSHServer) -> None:
    (shown,) = ssh.scan("127.0.0.1", server.port)
    assert (shown.algorithm, shown.key) == (server.key.get_name(), server.key.get_base64())
    assert shown.fingerprint == server.key.fingerprint
    assert (server.commands, server.users) == ([], [])


def test_a_scan_of_what_is_no_ssh_server_is_told() -> None:
    with a_server() as server:
        server.stop()
        with pytest.raises(ssh.HostUnreachable, match="cannot be reached"):
            ssh.scan("127.0.0.1", server.port)
