"""What each kind reads: inventories in their forms, and programs that really run."""

import json
from pathlib import Path
from typing import Any

import pytest
from pytest_django import Settings

from environments.sources import ansible_ini, json_reading
from environments.sources.kinds import KINDS, ansible, script
from environments.sources.listing import Asked, Found, Listing, NotReadable
from tests.deployer_site.copies import processes
from tests.patience import Wait

INI = """
# all of Europe
lonely ansible_host=10.0.0.99

[web]
web-[01:03].example.com
web-9:2222 ansible_host=10.0.0.9 ansible_user="ops"   # by hand

[db]
db-[a:c]
localhost ansible_connection=local

[eu:children]
web
db

[eu:vars]
deployer_region = eu
ansible_user=www
deployer_labels = "tier=front,disk=ssd"

[db:vars]
ansible_port=2200
ansible_user=postgres
"""
YAML = """
all:
  vars: {ansible_user: www}
  hosts: {lonely: {ansible_host: 10.0.0.99}}
  children:
    eu:
      vars: {deployer_region: eu, deployer_labels: {tier: front, disk: ssd}}
      children:
        web:
          hosts:
            "web-[01:03].example.com":
            web-9: {ansible_host: 10.0.0.9, ansible_port: 2222, ansible_user: ops, secret: !vault abc}
        db:
          hosts: {"db-[a:c]": null, localhost: {ansible_connection: local}}
          vars: {ansible_port: 2200, ansible_user: postgres}
"""
DYNAMIC = {
    "all": {"children": ["eu", "ungrouped"], "vars": {"ansible_user": "www"}},
    "eu": {"children": ["web", "db"], "vars": {"deployer_region": "eu", "deployer_labels": "tier=front,disk=ssd"}},
    "web": ["web-01.example.com", "web-02.example.com", "web-03.example.com", "web-9"],
    "db": {"hosts": ["db-a", "db-b", "db-c", "localhost"], "vars": {"ansible_port": 2200, "ansible_user": "postgres"}},
    "ungrouped": {"hosts": ["lonely"]},
    "_meta": {
        "hostvars": {
            "lonely": {"ansible_host": "10.0.0.99"},
            "web-9": {"ansible_host": "10.0.0.9", "ansible_port": 2222, "ansible_user": "ops"},
            "localhost": {"ansible_connection": "local"},
        }
    },
}  # fmt: skip


def kept(text: str, group: str = "") -> Listing:
    return ansible.read(Asked({"inventory": text, "group": group}))


def by_key(listing: Listing) -> dict[str, Found]:
    assert listing.wrong == ()
    return {host.key: host for host in listing.hosts}


@pytest.mark.parametrize("form", ["ini", "yaml", "dynamic"])
def test_one_inventory_in_three_forms(form: str) -> None:
    if form == "dynamic":
        listing = json_reading.read(json.dumps(DYNAMIC), group="", what="It")
    else:
        listing = kept(INI if form == "ini" else YAML)
    hosts = by_key(listing)
    assert sorted(hosts) == [
        *("db-a", "db-b", "db-c", "lonely"),
        *("web-01.example.com", "web-02.example.com", "web-03.example.com", "web-9"),
    ]
    web, first, database = hosts["web-9"], hosts["web-01.example.com"], hosts["db-b"]
    assert (web.address, web.port, web.user) == ("10.0.0.9", 2222, "ops")
    assert (first.address, first.port, first.user) == ("web-01.example.com", 22, "www")
    assert (database.user, database.port, database.roles) == ("postgres", 2200, ("db", "eu"))
    assert (web.roles, web.zone) == (("eu", "web"), "eu/hosts")
    assert web.labels == (("disk", "ssd"), ("tier", "front"))
    assert (hosts["lonely"].roles, hosts["lonely"].zone) == ((), "")
    assert [(one.where, one.text) for one in listing.left_out] == [("localhost", "It is reached by local, not by SSH.")]


@pytest.mark.parametrize("text", [INI, YAML], ids=["ini", "yaml"])
def test_only_one_group(text: str) -> None:
    assert len(kept(text, "web").hosts) == 4
    assert len(kept(text, "eu").hosts) == 7
    with pytest.raises(NotReadable, match="has no group 'nowhere', but db, eu, web"):
        kept(text, "nowhere")


@pytest.mark.parametrize(
    ("pattern", "hosts"),
    [
        ("web[01:20]", 20),
        ("web[8:10]", 3),
        ("web[0:10:5]", 3),
        ("[a:c]-[1:2]", 6),
        ("plain", 1),
        ("[::1]", 1),
        ("[fe80::1]:2222", 1),
    ],
)
def test_ranges(pattern: str, hosts: int) -> None:
    assert len(list(ansible_ini.expand(pattern))) == hosts


def test_ranges_keep_their_zeros() -> None:
    assert list(ansible_ini.expand("w[08:10]")) == ["w08", "w09", "w10"]
    assert list(ansible_ini.expand("w[8:10]")) == ["w8", "w9", "w10"]


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("web[5:1]", "smaller to the larger"),
        ("web[a:10]", "two numbers, or two letters"),
        ("web[0:999999]", "more than"),
        ("[a:z][a:z][a:z][a:z]", "no section"),
        ("x[a:z][a:z][a:z]", "more than"),
        ("web[001:20]", "as many digits"),
        ("web-1 ansible_port", "no variable"),
        ("web-1 'open", "quotation"),
        ("[group:nonsense]", "hosts, children and vars"),
    ],
)
def test_what_is_wrong_is_told_by_its_line(line: str, told: str) -> None:
    (wrong,) = kept(f"good\n\n{line}\n").wrong
    assert wrong.where == "Line 3"
    assert told in wrong.text


@pytest.mark.parametrize(
    ("variables", "told"),
    [
        ({"ansible_host": "{{ x }}"}, "template"),
        ({"ansible_port": 0}, "no port"),
        ({"ansible_port": True}, "no text"),
        ({"ansible_port": "22; rm"}, "no port"),
        ({"ansible_user": "-oProxyCommand=x"}, "user"),
        ({"ansible_host": "-x"}, "no host name"),
        ({"ansible_host": ["a"]}, "no text"),
        ({"deployer_zone": "a"}, "without a region"),
        ({"deployer_region": "EU West"}, "can be no region"),
        ({"deployer_labels": "front"}, "no label"),
        ({"deployer_labels": {"a": "b,c"}}, "comma"),
        ({"deployer_labels": ["a"]}, "object"),
        ({"deployer_roles": 7}, "no list"),
        ({"deployer_roles": ["Web Servers"]}, "can be no role"),
        ({"deployer_host_keys": ["ssh-ed25519"]}, "two words"),
        ({"deployer_host_keys": "ssh-ed25519 nonsense"}, "no public key"),
        ({"deployer_name": "Web 1"}, "can be no name"),
    ],
)
def test_what_is_wrong_of_a_host(variables: dict[str, Any], told: str) -> None:
    data = {"web": ["web-1", "web-2"], "_meta": {"hostvars": {"web-1": variables}}}
    found = json_reading.read(json.dumps(data), group="", what="It")
    (wrong,) = found.wrong
    assert wrong.where == "web-1"
    assert told in wrong.text
    assert [host.key for host in found.hosts] == ["web-2"]


@pytest.mark.parametrize(
    ("data", "told"),
    [
        ({"_meta": {"hostvars": []}}, "hostvars"),
        ({"web": 7}, "neither an object nor a list"),
        ({"web": {"hosts": "web-1"}}, "list of texts"),
        ({"web": {"vars": []}}, "no object"),
        ({"a": {"children": ["b"]}, "b": {"children": ["a"]}}, "contain each other"),
        ({"a": {"children": ["a"]}}, "contain each other"),
        ({"web": [f"h{number}" for number in range(6000)]}, "6000 hosts"),
    ],
)
def test_what_is_no_inventory(data: Any, told: str) -> None:
    with pytest.raises(NotReadable, match=told):
        json_reading.read(json.dumps(data), group="", what="It")


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("all:\n  hosts: &a {x: 1}\n  vars: *a\n", "alias"),
        ("all:\n  hosts: [a\n", "no YAML in line"),
        ("all:\n  hosts: [a]\n", "must be a mapping"),
        ("all:\n  host: {}\n", "not 'host'"),
        ("---\n- a\n", "no inventory"),
        ("all:\n" + "".join(f"{' ' * n}a:\n" for n in range(1, 60)), "nested"),
    ],
)
def test_what_is_no_yaml_inventory(text: str, told: str) -> None:
    with pytest.raises(NotReadable, match=told):
        kept(text)


def test_a_list_names_what_is_wrong_and_keeps_the_rest() -> None:
    rows: list[Any] = [
        *("deploy@10.0.0.1", "a b c", {"name": "web-2", "adress": "x"}, {}, 7),
        *({"name": "web-3", "address": "10.0.0.1"}, {"name": "web-4", "address": "10.0.0.4"}, {"address": "web-4"}),
    ]
    found = json_reading.read(json.dumps({"hosts": rows}), group="", what="It")
    assert [host.key for host in found.hosts] == ["10.0.0.1", "web-4"]
    told = {one.where: one.text for one in found.wrong}
    assert "'adress' is not known here" in told["web-2"]
    assert told["web-3"] == "10.0.0.1 is 10.0.0.1 already."
    assert told["web-4"] == "It is named twice."
    assert {"Entry 2", "Entry 4", "Entry 5"} <= set(told)


class TestScript:
    @pytest.fixture
    def folder(self, tmp_path: Path, settings: Settings) -> Path:
        settings.SOURCE_SCRIPTS = [tmp_path / "allowed"]
        (tmp_path / "allowed").mkdir()
        return tmp_path / "allowed"

    def write(self, folder: Path, text: str, name: str = "list") -> Asked:
        program = folder / name
        program.write_text(f"#!/bin/sh\n{text}\n")
        program.chmod(0o755)
        return Asked({"command": f"{program} --list 'two words'"}, seconds=20)

    def test_it_is_run_with_its_arguments_and_little_of_our_environment(
        self, folder: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("SECRET_KEY", "never")
        asked = self.write(folder, """printf '[{"name": "%s", "address": "a%s"}]' "h-$#" "$SECRET_KEY" """)
        assert script.check(asked) == {}
        (host,) = script.read(asked).hosts
        assert (host.key, host.address) == ("h-2", "a")

    @pytest.mark.parametrize(
        ("text", "told"),
        [
            ("echo oops >&2; exit 3", "ended with 3: oops"),
            ("echo no", "no JSON"),
            ("head -c 9000000 /dev/zero", "prints more than"),
            ("exec >/dev/null 2>&1; exec tail -f /dev/null", "does not end"),
        ],
    )
    def test_what_goes_wrong_is_a_sentence(self, text: str, told: str, folder: Path) -> None:
        with pytest.raises(NotReadable, match=told):
            script.read(self.write(folder, text))

    def test_one_that_hangs_is_ended_with_all_that_it_started(
        self, folder: Path, tmp_path: Path, eventually: Wait
    ) -> None:
        kept = tmp_path / "pid"
        asked = self.write(folder, f"tail -f /dev/null & echo $! > {kept}; wait")
        with pytest.raises(NotReadable, match="did not end within 2 s"):
            script.read(Asked(asked.settings, seconds=2))
        pid = int(kept.read_text())
        eventually(lambda: pid not in processes())

    def test_only_programs_of_the_folders_that_the_machine_names(self, folder: Path, settings: Settings) -> None:
        (folder / "link").symlink_to("/bin/true")
        for command, told in (
            ("", "whole path"),
            ("true", "no whole path"),
            ("/bin/true", "does not lie in"),
            (f"{folder}/../../bin/true", "does not lie in"),
            (f"{folder}/link", "does not lie in"),
            ("'open", "quotation"),
        ):
            assert told in script.check(Asked({"command": command}))["command"]
        with pytest.raises(NotReadable, match="cannot be run: No such file"):
            script.read(Asked({"command": f"{folder}/absent"}))
        settings.SOURCE_SCRIPTS = []
        assert "set SOURCE_SCRIPTS" in script.check(self.write(folder, "true"))["command"]


def test_every_kind_says_what_it_is() -> None:
    for word, kind in KINDS.items():
        assert word == kind.TOLD.word
        assert kind.TOLD.text.endswith(".")
        assert kind.check(Asked({})) or word == "heartbeat"  # nothing typed is enough for no other
