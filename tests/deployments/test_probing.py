"""Hosts that somebody has just added, looked at over real OpenSSH: what is fine, and each thing that is not."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from deployments import probing
from deployments.probing import Examined
from environments import host_lines, ssh
from environments.adding_hosts import add_hosts, trust
from environments.keys import ensure_key_pair
from environments.models import Host, Role, User
from tests import builders
from tests.deployments.fleet import closed_port
from tests.deployments.host_program.capistrano_root import make_root
from tests.deployments.openssh import OpenSSH, running
from tests.environments.keys import make_key
from tests.processes import Processes

pytestmark = pytest.mark.django_db


@pytest.fixture
def ada() -> User:
    ensure_key_pair()
    return builders.make_user(username="ada", role=Role.ADMINISTRATOR)


@pytest.fixture
def server(processes: Processes, tmp_path: Path) -> Iterator[OpenSSH]:
    with running(processes, tmp_path / "host") as server:
        (server.folder / "authorized_keys").touch(mode=0o600)
        yield server


def add(line: str, by: User) -> Host:
    name = add_hosts(host_lines.read(line), environment="production", by=by).hosts[0].name
    return Host.objects.select_related("zone__region__gateway").get(name=name)


def line_of(server: OpenSSH) -> str:
    return f"{server.user}@127.0.0.1:{server.port}"


def let_in(server: OpenSSH) -> None:
    (server.folder / "authorized_keys").write_text(ensure_key_pair().public + "\n")


def examine(host: Host, root: str = "~/shop", **more: object) -> Examined:
    return probing.examine(host, user=host.user, root=root, **more)  # type: ignore[arg-type]


def kinds(seen: Examined) -> list[str]:
    return [trouble.kind for trouble in seen.troubles]


def trusted(server: OpenSSH, by: User) -> Host:
    host = add(f"{line_of(server)} as web-1", by)
    trust(host, ssh.scan_host(host), by=by)
    let_in(server)
    return host


def test_nothing_is_sent_before_somebody_has_confirmed_the_key(server: OpenSSH, ada: User) -> None:
    host = add(line_of(server), ada)
    let_in(server)
    seen = examine(host)
    assert (seen.state, seen.login, [key.key for key in seen.shown]) == ("confirm", False, server.host_key[1:2])
    assert server.signed_in == 0
    trust(host, seen.shown, by=ada)
    seen = examine(host)
    assert (seen.state, seen.login, seen.layout, seen.folder) == ("ok", True, "nothing", "creatable")
    assert list(server.home.iterdir()) == []


def test_our_key_is_not_installed(server: OpenSSH, ada: User) -> None:
    host = add(line_of(server), ada)
    trust(host, ssh.scan_host(host), by=ada)
    seen = examine(host)
    assert (seen.state, kinds(seen)) == ("bad", ["key-refused"])
    assert f"~{server.user}/.ssh/authorized_keys" in seen.troubles[0].do


def test_a_wrong_port(ada: User) -> None:
    seen = examine(add(f"deploy@127.0.0.1:{closed_port()}", ada))
    assert kinds(seen) == ["unreachable"]
    assert "the port is wrong" in seen.troubles[0].means


def test_a_name_that_nobody_knows(ada: User) -> None:
    seen = examine(add("deploy@web-1.invalid", ada))
    assert kinds(seen) == ["unreachable"]
    assert "misspelt" in seen.troubles[0].means


def test_a_host_that_shows_another_key_gets_no_command(server: OpenSSH, ada: User) -> None:
    host = add(line_of(server), ada)
    trust(host, [make_key()], by=ada)
    let_in(server)
    seen = examine(host)
    assert (seen.state, kinds(seen)) == ("bad", ["host-key-changed"])
    assert [key.key for key in seen.shown] == server.host_key[1:2]
    assert server.programs == 0
    trust(host, seen.shown, by=ada, replace=True)
    assert examine(host).state == "ok"


def test_a_folder_that_cannot_be(server: OpenSSH, ada: User) -> None:
    seen = examine(trusted(server, ada), "/dev/null/shop")
    assert (seen.state, kinds(seen), seen.login) == ("bad", ["root"], True)
    assert "/dev/null is not a folder on web-1" in seen.troubles[0].what


def test_a_folder_of_capistrano_is_told_and_fine(server: OpenSSH, ada: User) -> None:
    make_root(server.home / "shop")
    seen = examine(trusted(server, ada))
    assert (seen.state, seen.layout, seen.releases) == ("ok", "capistrano", 3)
    assert (seen.current, seen.revision) == ("20260103100000", "3" * 40)


def test_a_folder_with_something_else_is_a_warning(server: OpenSSH, ada: User) -> None:
    (server.home / "shop").mkdir()
    (server.home / "shop/index.php").touch()
    assert (kinds(seen := examine(trusted(server, ada))), seen.state) == (["not-empty"], "warn")


def test_a_folder_of_another_target_is_refused(server: OpenSSH, ada: User) -> None:
    (server.home / "shop/.deployer").mkdir(parents=True)
    (server.home / "shop/.deployer/target").write_text("other/production\n")
    host = trusted(server, ada)
    assert kinds(examine(host, slug="shop/production")) == ["owned"]
    assert kinds(examine(host, slug="other/production")) == []


def test_linked_files_that_are_missing_are_named(server: OpenSSH, ada: User) -> None:
    (server.home / "shop/shared/config").mkdir(parents=True)
    (server.home / "shop/shared/config/master.key").touch()
    host = trusted(server, ada)
    assert "linked-files" not in kinds(examine(host, linked_files=("config/master.key",)))
    seen = examine(host, linked_files=("config/master.key", ".env", "config/database.yml"))
    trouble = seen.troubles[-1]
    assert (trouble.kind, seen.state) == ("linked-files", "warn")
    assert trouble.what == "`.env`, `config/database.yml` are not in ~/shop/shared on web-1 yet."
    assert "`~/shop/shared/.env`" in trouble.do


def test_a_current_that_is_a_folder(server: OpenSSH, ada: User) -> None:
    (server.home / "shop/current").mkdir(parents=True)
    assert kinds(examine(trusted(server, ada)))[0] == "current-folder"


def test_a_login_shell_that_is_none_is_explained(server: OpenSSH, ada: User) -> None:
    host = trusted(server, ada)
    line = (server.folder / "authorized_keys").read_text()
    (server.folder / "authorized_keys").write_text(f'command="echo hello" {line}')
    seen = examine(host)
    assert kinds(seen) == ["no-answer"]
    assert "login shell" in seen.troubles[0].means


def test_through_a_bastion(server: OpenSSH, ada: User, processes: Processes, tmp_path: Path) -> None:
    with running(processes, tmp_path / "bastion") as bastion:
        (bastion.folder / "authorized_keys").touch(mode=0o600)
        host = add(f"{line_of(server)} as web-1 via {line_of(bastion)}", ada)
        seen = examine(host)
        assert kinds(seen) == ["gateway-first"]
        assert bastion.signed_in == server.signed_in == 0
        gateway = Host.objects.get(port=bastion.port)
        assert examine(gateway).state == "confirm"
        trust(gateway, ssh.scan_host(gateway), by=ada)
        assert "The bastion 127-0-0-1" in examine(host).troubles[0].what
        let_in(bastion)
        seen = examine(host)
        assert seen.state == "confirm"
        trust(host, seen.shown, by=ada)
        let_in(server)
        assert examine(host).state == "ok"


def test_what_is_missing_is_told_by_its_name() -> None:
    seen = Examined(Host(name="web-1"), "~/shop", missing="tar mv-T", free_kb=200_000)
    probing.judge(seen, "deploy", git=True, slug="")
    assert kinds(seen) == ["tools", "git", "disk"]
    assert "an mv that knows -T" in seen.troubles[0].what
    assert "apt-get install tar perl" in seen.troubles[0].do
    assert "195 MB left" in seen.troubles[2].what


def test_a_perl_that_does_not_work_is_no_way_out() -> None:
    fault = "its /usr/bin/perl does not work: Can't locate POSIX.pm in @INC"
    seen = Examined(Host(name="web-1"), "~/shop", missing="setsid", broken=fault, free_kb=2_000_000)
    probing.judge(seen, "deploy", git=False, slug="")
    (trouble,) = seen.troubles
    assert trouble.what == f"web-1 lacks setsid, and {fault}."
    assert "apt-get install --reinstall perl" in trouble.do
