"""The commands about keys, against a real SSH server."""

import subprocess
import sys
from collections.abc import Iterator
from io import StringIO
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command

from environments import host_keys, keys, ssh
from environments.models import GitHostKey, HostKey, KeyPair
from tests.builders import make_host
from tests.deployments.web import free_port
from tests.environments.keys import make_key, trusted
from tests.patience import Wait
from tests.processes import Processes

BROKEN_KEY = "-----BEGIN OPENSSH PRIVATE KEY-----\nAA\n-----END OPENSSH PRIVATE KEY-----\n"
pytestmark = pytest.mark.django_db


class TestCommand:
    """`manage.py hostkey scan` against a real SSH server."""

    @pytest.fixture
    def server(self, processes: Processes, tmp_path: Path, eventually: Wait) -> Iterator[tuple[int, str]]:
        """An OpenSSH server: its port, and the fingerprint as ssh-keygen prints it."""
        key = tmp_path / "host_key"
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", key], check=True)
        said = subprocess.run(["ssh-keygen", "-lf", key], check=True, capture_output=True, text=True)
        port = free_port()
        Path("/run/sshd").mkdir(exist_ok=True)
        command = ["/usr/sbin/sshd", "-D", "-f", "/dev/null", "-h", str(key), "-p", str(port)]
        child = processes.start([*command, "-o", "ListenAddress=127.0.0.1", "-o", "PidFile=none"])
        eventually(lambda: can_scan(port))
        yield port, said.stdout.split()[1]
        child.terminate()
        child.wait(60)

    def scan(self, *arguments: str) -> str:
        out = StringIO()
        call_command("hostkey", "scan", *arguments, stdout=out)
        return out.getvalue()

    def test_it_shows_what_the_host_shows(self, server: tuple[int, str]) -> None:
        port, fingerprint = server
        make_host(name="web1", port=port)
        assert f"ssh-ed25519 {fingerprint}\n" in self.scan("web1")
        assert f"ssh-ed25519 {fingerprint}\n" in self.scan("--address", "127.0.0.1", "--port", str(port))
        assert f"ssh-ed25519 {fingerprint}\n" in self.scan("--git", f"[127.0.0.1]:{port}")
        assert not HostKey.objects.exists()

    def test_it_accepts_what_is_named(self, server: tuple[int, str]) -> None:
        port, fingerprint = server
        host = make_host(name="web1", port=port)
        assert f"web1 is trusted by ssh-ed25519 {fingerprint}" in self.scan("web1", "--accept", fingerprint)
        assert {ssh.fingerprint(key) for key in trusted(host)} == {fingerprint}
        assert f"{fingerprint} (trusted)" in self.scan("web1")

    def test_it_accepts_a_git_hosts_key(self, server: tuple[int, str]) -> None:
        port, fingerprint = server
        self.scan("--git", f"[127.0.0.1]:{port}", "--accept", fingerprint)
        assert GitHostKey.objects.get().host == f"[127.0.0.1]:{port}"

    @pytest.mark.parametrize(
        ("said", "accepted"), [("y", True), ("yes", True), ("", False), ("n", False), ("SHA", False)]
    )
    def test_it_asks_on_a_terminal(
        self, said: str, accepted: bool, server: tuple[int, str], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        host = make_host(name="web1", port=server[0])
        monkeypatch.setattr(sys.stdin, "isatty", lambda: True)
        asked: list[str] = []

        def answer(question: str) -> str:
            asked.append(question)
            return said

        monkeypatch.setattr("builtins.input", answer)
        self.scan("web1")
        assert asked == [f"ssh-ed25519 {server[1]}: accept? [y/N] "]
        assert bool(trusted(host)) == accepted

    def test_a_changed_key_must_be_named(self, server: tuple[int, str]) -> None:
        port, fingerprint = server
        host, old = make_host(name="web1", port=port), make_key()
        host_keys.accept(host=host, key=old, by="ada")
        with pytest.raises(CommandError, match="is trusted by another ssh-ed25519 key"):
            self.scan("web1", "--accept", fingerprint)
        assert trusted(host) == {old.key}
        self.scan("web1", "--accept", fingerprint, "--replace", old.fingerprint)
        assert {ssh.fingerprint(key) for key in trusted(host)} == {fingerprint}

    @pytest.mark.parametrize(
        ("arguments", "why"),
        [
            ([], "Say what to scan"),
            (["web1", "--git", "x"], "Say what to scan"),
            (["nobody"], "There is no host 'nobody'"),
            (["--git=-x"], "is no host name"),
            (["--address", "a b"], "is no host name"),
            (["--address", "127.0.0.1", "--accept", "SHA256:x"], "Add the host first"),
            (["--address", "127.0.0.1", "--port", "1"], "cannot be reached"),
        ],
    )
    def test_what_is_wrong_is_said(self, arguments: list[str], why: str) -> None:
        with pytest.raises(CommandError, match=why):
            self.scan(*arguments)

    def test_a_fingerprint_that_is_not_shown_changes_nothing(self, server: tuple[int, str]) -> None:
        make_host(name="web1", port=server[0])
        with pytest.raises(CommandError, match="was shown, but SHA256:"):
            self.scan("web1", "--accept", "SHA256:other")
        assert not HostKey.objects.exists()


def can_scan(port: int) -> bool:
    try:
        return bool(ssh.scan("127.0.0.1", port))
    except ssh.HostUnreachable:
        return False


class TestKeyCommand:
    """`manage.py key`: the public line on standard output, the private part nowhere."""

    def run(self, *arguments: str) -> str:
        out = StringIO()
        call_command("key", *arguments, stdout=out, stderr=StringIO())
        return out.getvalue().strip()

    def test_create_makes_one_and_keeps_it(self) -> None:
        line = self.run("create")
        assert line.startswith("ssh-ed25519 ")
        assert self.run("create") == self.run("show") == line
        assert KeyPair.objects.count() == 1

    def test_show_says_how_to_make_one(self) -> None:
        with pytest.raises(CommandError, match=r"manage\.py key create"):
            self.run("show")

    def test_upload_uses_a_key_that_exists(self, tmp_path: Path) -> None:
        self.run("create")
        file = tmp_path / "key"
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", file], check=True)
        line = self.run("upload", str(file))
        assert line.split()[1] == file.with_suffix(".pub").read_text().split()[1]
        pair = keys.active_key_pair()
        assert pair is not None
        kept = tmp_path / "kept"
        kept.touch(mode=0o600)
        kept.write_text(keys.private_text(pair))
        public = subprocess.check_output(["ssh-keygen", "-y", "-f", kept], text=True)
        assert public.split()[1] == line.split()[1]
        assert "PRIVATE" not in pair.private

    @pytest.mark.parametrize(
        "text", ["", "nonsense", "-----BEGIN OPENSSH PRIVATE KEY-----\nAA\n-----END OPENSSH PRIVATE KEY-----\n"]
    )
    def test_what_is_no_key_changes_nothing(self, text: str, tmp_path: Path) -> None:
        line = self.run("create")
        file = tmp_path / "key"
        file.write_text(text)
        with pytest.raises(CommandError, match="The key pair is as it was"):
            self.run("upload", str(file))
        assert self.run("show") == line

    def test_a_file_that_is_not_there(self) -> None:
        with pytest.raises(CommandError, match="cannot be read"):
            self.run("upload", "/nowhere/key")
