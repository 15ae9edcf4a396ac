"""A host in a network of its own, with OpenSSH: packets to it can vanish. Needs root on Linux."""

import os
import shutil
import signal
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from environments.keys import ensure_key_pair
from environments.models import Host, HostKey
from tests.deployments.fleet import FleetTarget
from tests.patience import within
from tests.processes import Processes

SPACE, NEAR_LINK, FAR_LINK = "deployer-far", "dpl-near", "dpl-far"
NEAR, FAR = "10.213.77.1", "10.213.77.2"
NOBODY = "02:00:00:00:00:01"
CONFIGURATION = """
Port 22
ListenAddress {address}
HostKey {folder}/host_key
AuthorizedKeysFile {folder}/authorized_keys
PidFile none
UsePAM no
StrictModes no
PermitRootLogin prohibit-password
SetEnv HOME={folder}/home
"""


def _ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=True)


@dataclass
class FarHost:
    folder: Path
    sshd: "subprocess.Popen[bytes]"

    def black_hole(self) -> None:
        """Packets, to it and from it, go to an address that nobody has; nobody is told."""
        to_nobody = ("lladdr", NOBODY, "nud", "permanent")
        _ip("neigh", "replace", FAR, "dev", NEAR_LINK, *to_nobody)
        _ip("-n", SPACE, "neigh", "replace", NEAR, "dev", FAR_LINK, *to_nobody)

    def heal(self) -> None:
        _ip("neigh", "del", FAR, "dev", NEAR_LINK)
        _ip("-n", SPACE, "neigh", "del", NEAR, "dev", FAR_LINK)

    def stop_servers(self) -> None:
        """The server and all its sessions hang; its kernel still answers."""
        self._signal(signal.SIGSTOP)

    def go_on(self) -> None:
        self._signal(signal.SIGCONT)

    def _signal(self, number: signal.Signals) -> None:
        inside = subprocess.run(["ip", "netns", "pids", SPACE], check=True, capture_output=True, text=True).stdout
        for pid in inside.split():
            name = Path(f"/proc/{pid}/comm")
            if name.exists() and name.read_text().startswith("sshd"):
                os.kill(int(pid), number)

    def replaces(self, place: FleetTarget, name: str) -> None:
        """From now on it is the host of this name."""
        (self.folder / "authorized_keys").write_text(f"{ensure_key_pair().public}\n")
        host = Host.objects.get(name=name)
        Host.objects.filter(pk=host.pk).update(address=FAR, port=22)
        kind, key = (self.folder / "host_key.pub").read_text().split()[:2]
        HostKey.objects.filter(host=host).update(algorithm=kind, key=key)
        place.homes[name] = self.folder / "home"


@contextmanager
def a_far_host(processes: Processes, folder: Path) -> Iterator[FarHost]:
    assert os.getuid() == 0, "A network of its own needs root."
    sshd = shutil.which("sshd", path=f"{os.environ['PATH']}:/usr/sbin:/usr/local/sbin")
    assert sshd, "OpenSSH's server is not installed"
    (folder / "home").mkdir()
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", folder / "host_key"], check=True)
    (folder / "sshd_config").write_text(CONFIGURATION.format(address=FAR, folder=folder))
    Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)
    _ip("netns", "add", SPACE)
    try:
        _ip("link", "add", NEAR_LINK, "type", "veth", "peer", "name", FAR_LINK, "netns", SPACE)
        _ip("addr", "add", f"{NEAR}/30", "dev", NEAR_LINK)
        _ip("link", "set", NEAR_LINK, "up")
        for words in (["addr", "add", f"{FAR}/30", "dev", FAR_LINK], ["link", "set", FAR_LINK, "up"]):
            _ip("-n", SPACE, *words)
        child = processes.start(["ip", "netns", "exec", SPACE, sshd, "-D", "-e", "-f", str(folder / "sshd_config")])
        within(_answers, 30, "the answer of sshd")
        host = FarHost(folder, child)
        yield host
        host.go_on()
        child.terminate()
        child.wait(10)
    finally:
        _ip("netns", "del", SPACE)


def _answers() -> bool:
    try:
        socket.create_connection((FAR, 22), 1).close()
    except OSError:
        return False
    return True
