"""A real OpenSSH server, run by whoever runs the tests."""

import getpass
import os
import shutil
import signal
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from environments import ssh
from tests.deployments.fleet import closed_port, eventually
from tests.processes import Processes

CONFIGURATION = """
Port {port}
ListenAddress 127.0.0.1
AuthorizedKeysFile {folder}/authorized_keys
PidFile none
LogLevel VERBOSE
UsePAM no
StrictModes no
PasswordAuthentication no
KbdInteractiveAuthentication no
PermitRootLogin prohibit-password
SetEnv HOME={folder}/home
"""


@dataclass
class OpenSSH:
    port: int
    folder: Path
    child: "subprocess.Popen[bytes] | None" = None

    @property
    def user(self) -> str:
        return getpass.getuser()

    @property
    def signed_in(self) -> int:
        """How often somebody has."""
        return (self.folder / "log").read_text().count("Accepted publickey")

    @property
    def programs(self) -> int:
        """How many were started."""
        return (self.folder / "log").read_text().count("Starting session: command")

    def drop(self) -> None:
        """Cut all connections; the server stays."""
        for pid in self._below(self._own):
            os.kill(pid, signal.SIGKILL)

    @contextmanager
    def stopped(self) -> Iterator[None]:
        """The server and all its connections hear and say nothing; its kernel still answers."""
        found = [self._own]
        for pid in found:
            os.kill(pid, signal.SIGSTOP)
            found += self._below(pid)
        try:
            yield
        finally:
            for pid in found:
                os.kill(pid, signal.SIGCONT)

    @property
    def _own(self) -> int:
        assert self.child
        return self.child.pid

    def _below(self, above: int) -> list[int]:
        listed = subprocess.run(["ps", "-A", "-o", "pid=,ppid="], capture_output=True, text=True, check=True).stdout
        rows = (map(int, line.split()) for line in listed.splitlines())
        return [pid for pid, parent in rows if parent == above]

    def stop(self) -> None:
        assert self.child
        self.child.terminate()
        self.child.wait(60)

    def reload(self) -> None:
        """Read the configuration and the files that it names again, as after a signature has been renewed."""
        told = (self.folder / "log").read_text().count("Server listening")
        os.kill(self._own, signal.SIGHUP)
        eventually(lambda: (self.folder / "log").read_text().count("Server listening") > told, what="its new start")

    @property
    def home(self) -> Path:
        return self.folder / "home"

    @property
    def host_key(self) -> list[str]:
        return (self.folder / "host_key.pub").read_text().split()


def _listen(processes: Processes, server: OpenSSH) -> None:
    sshd = shutil.which("sshd", path=f"{os.environ['PATH']}:/usr/sbin:/usr/local/sbin")
    assert sshd, "OpenSSH's server is not installed"
    child = server.child = processes.start(
        [sshd, "-D", "-E", str(server.folder / "log"), "-f", str(server.folder / "sshd_config")]
    )

    def answers() -> bool:
        assert child.poll() is None, "sshd has ended."
        try:
            socket.create_connection(("127.0.0.1", server.port), 1).close()
        except OSError:
            return False
        return True

    eventually(answers, what="the answer of sshd")


@contextmanager
def running(
    processes: Processes, folder: Path, *, kinds: tuple[str, ...] = ("ed25519",), more: str = ""
) -> Iterator[OpenSSH]:
    """`kinds` of host keys; the first one's file is `host_key`. `more` lines of its configuration."""
    folder.mkdir(exist_ok=True)
    server = OpenSSH(closed_port(), folder)
    server.home.mkdir()
    text = CONFIGURATION.format(port=server.port, folder=folder)
    for number, kind in enumerate(kinds):
        file = folder / ("host_key" if number == 0 else f"host_key_{kind}")
        subprocess.run(["ssh-keygen", "-q", "-t", kind, "-N", "", "-f", file], check=True)
        text += f"HostKey {file}\n"
    (folder / "sshd_config").write_text(text + more.format(folder=folder) + "\n")
    if os.getuid() == 0:
        Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)  # root's sshd does not start without it
    _listen(processes, server)
    yield server
    ssh.close_idle(-1)
    server.stop()


def restart_with_new_key(processes: Processes, server: OpenSSH) -> None:
    """The machine is made anew: the same address, another host key."""
    server.stop()
    key = server.folder / "host_key"
    for file in (key, key.with_suffix(".pub")):
        file.unlink()
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", key], check=True)
    _listen(processes, server)
