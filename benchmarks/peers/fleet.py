"""Hosts on this machine: an OpenSSH server each, with its own address, and its own files under the same paths.

They share one network namespace, into which a pair of virtual cables leads, and each has a mount namespace in which
`root` and the user's home are folders of its own in memory. Needs Linux and root.
"""

import os
import pwd
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.peers import leftovers, network
from benchmarks.peers.accounting import Group

PORT = 2222
USER = "deploybench"
_PROGRAMS = {"sshd": "openssh-server", "ssh": "openssh-client", "ip": "iproute2", "unshare": "util-linux", "git": "git"}
_READY_SECONDS = 60


def what_is_missing(more: dict[str, str] | None = None) -> str:
    """Why this machine cannot hold such a fleet, as a sentence; empty: it can."""
    if sys.platform != "linux" or os.geteuid() != 0:
        return "The comparison starts real SSH servers in namespaces of their own: it needs Linux and root."
    programs = _PROGRAMS | (more or {})
    lacking = [package for name, package in programs.items() if not shutil.which(name, path=_path())]
    return f"On Debian and Ubuntu: apt install {' '.join(sorted(set(lacking)))}. Then again." if lacking else ""


@dataclass
class Fleet:
    """`folder` must be readable for all. Use `running`."""

    folder: Path
    accounts: Group
    addresses: list[str] = field(default_factory=list)
    pids: dict[str, int] = field(default_factory=dict)

    @property
    def root(self) -> Path:
        """The folder below which all deploys go; every host sees its own there."""
        return self.folder / "app"

    @property
    def key(self) -> Path:
        return self.folder / "etc" / "id"

    @property
    def host_key(self) -> tuple[str, str]:
        """Algorithm and base64; one for all hosts."""
        algorithm, key = (self.folder / "etc" / "hostkey.pub").read_text().split()[:2]
        return algorithm, key

    def let_in(self, public: str) -> None:
        """Accept this public key on all hosts."""
        with (self.folder / "etc" / "authorized_keys").open("a") as file:
            file.write(public.strip() + "\n")

    def app(self, address: str, place: str) -> Path:
        """Where the files of a host's `root/place` really lie."""
        return self.folder / "hosts" / address / "app" / place

    def make_place(self, place: str, addresses: Sequence[str]) -> Path:
        """An empty deploy root with what is shared, on these hosts; the path as hosts see it."""
        person = pwd.getpwnam(USER)
        for address in addresses:
            shared = self.app(address, place) / "shared"
            shared.mkdir(parents=True)
            (shared / ".env").write_text("A=1\n")
            for path in (shared.parent, shared, shared / ".env"):
                os.chown(path, person.pw_uid, person.pw_gid)
        return self.root / place

    def remove_place(self, place: str) -> None:
        for address in self.addresses:
            shutil.rmtree(self.app(address, place), ignore_errors=True)

    def log_sizes(self) -> dict[str, int]:
        return {address: self._log(address).stat().st_size for address in self.addresses}

    def connections_since(self, sizes: dict[str, int], addresses: Sequence[str]) -> tuple[int, int]:
        """How many signed in, and how many programs were started, by the servers' own logs."""
        connections = programs = 0
        for address in addresses:
            with self._log(address).open("rb") as file:
                file.seek(sizes[address])
                said = file.read()
            connections += said.count(b"Accepted publickey")
            programs += said.count(b"Starting session")
        return connections, programs

    def drop_connections(self) -> None:
        """End all sessions, so that the next deploy connects anew. The servers stay."""
        servers = set(self.pids.values())
        for pid in self.accounts.processes:
            if pid not in servers:
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)

    def _log(self, address: str) -> Path:
        return self.folder / "log" / address

    def start(self, count: int) -> None:
        self._make_files()
        network.make()
        self.addresses = [f"{network.NET}.{number // 200}.{number % 200 + 1}" for number in range(count)]
        self._write_client_files()
        person = pwd.getpwnam(USER)
        for address in self.addresses:
            for name in ("app", "home"):
                made = self.folder / "hosts" / address / name
                made.mkdir(parents=True)
                os.chown(made, person.pw_uid, person.pw_gid)
            # the repository belongs to root, and git on a host reads nobody else's otherwise
            (self.folder / "hosts" / address / "home" / ".gitconfig").write_text("[safe]\n\tdirectory = *\n")
            self.pids[address] = self._serve(address)
        for address in self.addresses:
            _wait_for(self._log(address), "Server listening")

    def _serve(self, address: str) -> int:
        own = self.folder / "hosts" / address
        script = (
            f"mount --bind {own}/app {self.root} && mount --bind {own}/home {self.folder}/home && "
            f"exec {_which('sshd')} -D -f {self.folder}/etc/sshd_config -o ListenAddress={address} "
            f"-E {self._log(address)}"
        )
        inside = [*network.INSIDE, "unshare", "-m", "--propagation", "private", "sh", "-c", script]
        process = subprocess.Popen(
            self.accounts.enter(inside), stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, start_new_session=True
        )
        return process.pid  # every program above replaces the one before

    def _make_files(self) -> None:
        for name in ("app", "home", "etc", "log", "hosts"):
            (self.folder / name).mkdir(parents=True)
        _run("mount", "-t", "tmpfs", "-o", "size=16G,nr_inodes=8M,mode=755", leftovers.DISK, str(self.folder / "hosts"))
        with suppress(KeyError):
            pwd.getpwnam(USER)
            _run("userdel", USER)
        _run("useradd", "-M", "-d", str(self.folder / "home"), "-s", "/bin/sh", "-p", "*", USER)
        for name in ("hostkey", "id"):
            _run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(self.folder / "etc" / name))
        self.let_in((self.folder / "etc" / "id.pub").read_text())
        Path("/run/sshd").mkdir(exist_ok=True)
        (self.folder / "etc" / "sshd_config").write_text(_SSHD.format(port=PORT, etc=self.folder / "etc"))

    def _write_client_files(self) -> None:
        """For tools that read an ssh_config. It knows each host by its slow address too."""
        algorithm, key = self.host_key
        known = [f"[{a}]:{PORT} {algorithm} {key}\n" for own in self.addresses for a in (own, network.delayed(own))]
        (self.folder / "etc" / "known_hosts").write_text("".join(known))
        (self.folder / "etc" / "ssh_config").write_text(_SSH.format(port=PORT, user=USER, etc=self.folder / "etc"))

    def stop(self) -> None:
        for pid in self.pids.values():
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGTERM)
        self.drop_connections()
        for pid in self.pids.values():
            with suppress(ChildProcessError):
                os.waitpid(pid, 0)
        for command in (
            ("umount", "-l", str(self.folder / "hosts")),
            ("userdel", USER),
        ):
            subprocess.run(command, check=False, capture_output=True)
        network.remove()


@contextmanager
def running(folder: Path, accounts: Group, count: int) -> Iterator[Fleet]:
    """So many hosts, ready; ended and removed afterwards."""
    fleet = Fleet(folder, accounts)
    with leftovers.cleared():
        try:
            fleet.start(count)
            yield fleet
        finally:
            fleet.stop()


def _run(*command: str) -> None:
    subprocess.run(command, check=True)


def _path() -> str:
    return os.environ.get("PATH", "") + ":/usr/sbin:/sbin"


def _which(program: str) -> str:
    return shutil.which(program, path=_path()) or program


def _wait_for(log: Path, phrase: str) -> None:
    give_up = time.monotonic() + _READY_SECONDS
    while not (log.exists() and phrase in log.read_text()):
        if time.monotonic() > give_up:
            raise SystemExit(f"An SSH server did not start: {log.read_text() if log.exists() else 'it said nothing'}")
        time.sleep(0.02)


_SSHD = """\
Port {port}
HostKey {etc}/hostkey
AuthorizedKeysFile {etc}/authorized_keys
UsePAM no
PasswordAuthentication no
KbdInteractiveAuthentication no
UseDNS no
StrictModes no
PidFile none
PrintMotd no
PrintLastLog no
MaxStartups 2000:30:4000
MaxSessions 100
LogLevel VERBOSE
"""
_SSH = """\
Host 10.77.* 10.78.*
  User {user}
  Port {port}
  IdentityFile {etc}/id
  IdentitiesOnly yes
  UserKnownHostsFile {etc}/known_hosts
  GlobalKnownHostsFile /dev/null
  StrictHostKeyChecking yes
"""
