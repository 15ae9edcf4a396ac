"""The links to hosts in memory, in the protocol of host programs. `settings.HOST_TRANSPORT` names `program`."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from environments import ssh
from environments.models import Host
from tests.deployments.model_hosts import Detached, ModelHost, Refused
from tests.deployments.model_programs import RunningProgram

# root target name fence offset nonce sha256 size umask, and other archives: sha256 size base sha256 size
_START_ARGUMENTS = 14
_SWITCH_ARGUMENTS = 11  # root target name fence nonce release revision number by seconds quiet


class Link:
    """What every channel has: a link that can die. `point` is called before and after whatever passes over it."""

    def __init__(self, host: ModelHost, point: "Point", nonce: str) -> None:
        self.host, self._point, self._nonce = host, point, nonce
        self.dead = self._closed = False
        self._said = b""

    def check_link(self) -> None:
        self._alive()

    def send(self, data: bytes) -> None:
        self._point(self, "send")
        self._alive()
        try:
            self._take(data)
        except Refused as refused:
            self._say(f"refused {refused}")
            self._closed = True
        self._point(self, "sent")

    def receive(self, seconds: float, most: int = 1 << 16) -> bytes | None:
        del seconds, most
        self._point(self, "receive")
        if self.dead or self.host.down:
            return b""
        if self._said:
            said, self._said = self._said, b""
            return said
        return b"" if self._closed else self._more()

    def _take(self, data: bytes) -> None:
        raise NotImplementedError

    def _more(self) -> bytes:
        raise NotImplementedError

    def _alive(self) -> None:
        if self.dead or self.host.down:
            raise ssh.HostUnreachable(self.host.name, f"The link to {self.host.name} broke.")

    def _say(self, text: str) -> None:
        self._said += f"\x1e{self._nonce} {text}\n".encode()


Point = Callable[["Link | None", str], None]


class StartChannel(Link):
    """The loader: starts a program once, or attaches to it, and follows what it writes."""

    def __init__(self, host: ModelHost, point: Point, words: list[str]) -> None:
        super().__init__(host, point, words[5])
        self._name, self._fence, self._at = words[2], int(words[3]), int(words[4])
        self._program: Detached | None = None

    def _take(self, data: bytes) -> None:
        if self._program is None:
            self._program = self._begin(data.decode())
        else:
            self.host.claim(self._fence, self._program)
            if data == b"stored\n":
                self._program.has_spool = False
                self._closed = True
            else:
                self._program.stopping = True

    def _begin(self, text: str) -> Detached:
        program = self.host.programs.get(self._name)
        self.host.claim(self._fence, program)
        if program is None:
            program = RunningProgram(self.host, self._name, self._nonce, self._fence, text)
            self.host.programs[self._name] = program
            self._say("started")
        elif program.result and not program.has_spool:
            self._say(f"done {program.result}")
            self._closed = True
        else:
            self._say(f"attached {program.nonce}")
        return program

    def _more(self) -> bytes:
        program = self._program
        assert program is not None
        while len(program.printed) <= self._at and program.runs:
            program.go_on()
        said, self._at = program.printed[self._at :], max(self._at, len(program.printed))
        if said:
            return said
        assert not program.result, f"{self._name} has told its end, and is still followed"
        self._closed = True
        self._say("lost")
        said, self._said = self._said, b""
        return said


class SwitchChannel(Link):
    """Armed, with the long lock, until the word comes or has not come."""

    def __init__(self, host: ModelHost, point: Point, words: list[str]) -> None:
        super().__init__(host, point, words[4])
        self._name, self._fence, self._release, self._revision = words[2], int(words[3]), words[5], words[6]
        self._late = False
        try:
            self._arm()
        except Refused as refused:
            self._say(f"refused {refused}")
            self._closed = True

    def _arm(self) -> None:
        self.host.claim(self._fence)
        self.host.take_lock(self)
        self.host.claim(self._fence)
        there = self.host.releases.get(self._release)
        if there is None or not there.prepared or there.revision != self._revision:
            self.host.leave_lock(self)
            raise Refused(f"release release {self._release} is not prepared on this host")
        self.host.switches.append(self)
        self._say(f"armed {self.host.current or '-'}")

    def _take(self, data: bytes) -> None:
        assert data == b"flip\n"
        if self in self.host.switches:
            self._flip()
        self._closed = True

    def _flip(self) -> None:
        host, old = self.host, self.host.current
        if self._fence < host.fence:
            self._say(f"not-switched a newer deploy (fence {host.fence}) has taken over this folder")
        else:
            host.current = self._release
            host.told.add(self._name.split("-")[0])
            if old != self._release:
                host.flipped.add(self._name.split("-")[0])
                host.note(self._fence, self._name, "switch", self._release)
            self._say(f"switched {old or '-'} 0")
        self.close()

    def send_late(self) -> None:
        """The link dies behind the word: it is on its way, and nobody will hear the answer."""
        self.dead = self._late = True

    def _more(self) -> bytes:
        return b""

    def end(self) -> None:
        if self._late:
            self._flip()
        else:
            self._say("not-switched the word did not come")
            self._closed = True
        self.close()

    def close(self) -> None:
        """The end of input, which no host takes for the word."""
        if self in self.host.switches:
            self.host.switches.remove(self)
        self.host.leave_lock(self)


class LookChannel(Link):
    """Says what serves."""

    def __init__(self, host: ModelHost, point: Point, words: list[str]) -> None:
        super().__init__(host, point, words[0])
        self._say(f"current 1 serves {host.current or '-'}")
        self._say("looked 1")
        self._closed = True


@dataclass
class Fleet:
    """The hosts of the test that runs now, by name; `point`: see `Link`."""

    hosts: dict[str, ModelHost] = field(default_factory=dict)
    point: Point = field(default=lambda link, where: None)


FLEET = Fleet()


@contextmanager
def program(host: Host, user: str, command: str) -> Iterator[Link]:
    """The transport: `settings.HOST_TRANSPORT` names it."""
    del user
    there = FLEET.hosts[host.name]
    FLEET.point(None, "connect")
    if there.down:
        raise ssh.HostUnreachable(host.name, f"{host.name} cannot be reached.")
    link = _open(there, command)
    try:
        FLEET.point(link, "connected")
        yield link
    finally:
        if isinstance(link, SwitchChannel) and not link._late:
            link.close()


def _open(host: ModelHost, command: str) -> Link:
    if "mark looked" in command:
        return LookChannel(host, FLEET.point, command.rsplit(" ", 3)[1:])
    if "-switch-" in command[-700:]:
        return SwitchChannel(host, FLEET.point, command.rsplit(" ", _SWITCH_ARGUMENTS)[1:])
    return StartChannel(host, FLEET.point, command.rsplit(" ", _START_ARGUMENTS)[1:])
