"""Pasted known_hosts files, as OpenSSH writes them."""

import subprocess
from pathlib import Path

import pytest

from environments import known_hosts
from environments.known_hosts import KnownHostsWrong
from tests.environments.keys import make_key

ONE, TWO, THREE = make_key(), make_key(), make_key()


def test_names_ports_lists_and_patterns() -> None:
    entries = known_hosts.read(
        f"# ours\nweb-1,10.0.0.7 ssh-ed25519 {ONE.key} a comment\n"
        f"[web-1]:2222 ssh-ed25519 {TWO.key}\n"
        f"*.internal,!db.internal ssh-ed25519 {THREE.key}\n"
    )

    def of(address: str, port: int = 22) -> list[object]:
        return list(known_hosts.keys_of(entries, known_hosts.name_of(address, port)))

    assert (of("WEB-1"), of("10.0.0.7"), of("web-1", 2222)) == ([ONE], [ONE], [TWO])
    assert (of("a.internal"), of("db.internal"), of("w"), of("web-12")) == ([THREE], [], [], [])


def test_hashed_entries_of_ssh_keygen(tmp_path: Path) -> None:
    file = tmp_path / "known_hosts"
    file.write_text(f"web-1 ssh-ed25519 {ONE.key}\n[10.0.0.7]:2222 ssh-ed25519 {TWO.key}\n")
    subprocess.run(["ssh-keygen", "-q", "-H", "-f", file], check=True, capture_output=True)
    text = file.read_text()
    assert "web-1" not in text
    entries = known_hosts.read(text)
    assert known_hosts.keys_of(entries, "web-1") == [ONE]
    assert known_hosts.keys_of(entries, known_hosts.name_of("10.0.0.7", 2222)) == [TWO]
    assert known_hosts.keys_of(entries, "web-2") == []


def test_a_revoked_key_is_none_and_authorities_are_left_out() -> None:
    entries = known_hosts.read(
        f"web-1 ssh-ed25519 {ONE.key}\n@revoked * ssh-ed25519 {ONE.key}\n"
        f"@cert-authority * ssh-ed25519 {TWO.key}\nweb-1 ssh-dss AAAA\n"
    )
    assert known_hosts.keys_of(entries, "web-1") == []


@pytest.mark.parametrize("line", ["web-1 ssh-ed25519", "web-1 ssh-ed25519 AAAA", "web-1 ssh-ed25519 ###", "nonsense"])
def test_a_line_that_is_none_is_told(line: str) -> None:
    with pytest.raises(KnownHostsWrong, match="Line 2"):
        known_hosts.read(f"# a comment\n{line}\n")


def test_a_key_must_be_of_the_kind_that_is_said() -> None:
    with pytest.raises(KnownHostsWrong):
        known_hosts.read_key("ssh-rsa", ONE.key)
    assert known_hosts.read_key("ssh-ed25519", ONE.key) == ONE
