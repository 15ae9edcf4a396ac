"""Hosts in memory that speak the protocol of host programs and keep what hosts keep: fence, releases, `current`.

What they do with a program is what `deployments/hostside` does, read from the program's own text, one line at a time:
between two lines anything may happen. Nothing here sleeps. `journal` tells every effect, with the fence that made it.
"""

import re
import shlex
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Protocol

from environments import ssh
from environments.models import Host

# root target name fence offset nonce sha256 size path umask, and other archives: sha256 size base sha256 size
_START_ARGUMENTS = 15
_SWITCH_ARGUMENTS = 12  # root target name fence nonce release revision number by seconds path quiet
_TEXT = re.compile(r"release=(\S*) revision=(\S*) mask=\d+\nfacts=.*?\nwork\(\) \{\n(.*)\n\}\nbegin\n", re.DOTALL)


@dataclass(frozen=True)
class Effect:
    """Something that a deploy, by its `key`, has changed on a host."""

    fence: int
    key: str
    what: str
    detail: str


@dataclass
class LaidOut:
    revision: str
    prepared: bool = False
    good: bool = False
    bad: bool = False


class Refused(Exception):
    """A host does not begin; the text is that of its mark."""


class _Ended(Exception):
    """A program's result."""


class Holder(Protocol):
    """Who has a host's long lock."""

    def end(self) -> None:
        """Go on until the lock is free, as it is when others wait for it long enough."""


class ModelHost:
    """One host with the folder of one target."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.down = False
        self.failing = 0  # how many of the next steps fail
        self.fence = 0
        self.current = ""
        self.releases: dict[str, LaidOut] = {}
        self.good: list[str] = []  # in the order in which they were found good
        self.programs: dict[str, RunningProgram] = {}
        self.journal: list[Effect] = []
        self.flipped: set[str] = set()  # deploys whose word has made (or found) their release current
        self.holder: Holder | None = None
        self.switches: list[SwitchChannel] = []

    def claim(self, fence: int, program: "RunningProgram | None" = None) -> None:
        if fence < self.fence:
            raise Refused(f"fence {self.fence}")
        self.fence = fence
        if program is not None:
            program.fence = fence

    def take_lock(self, who: Holder) -> None:
        while self.holder is not None and self.holder is not who:
            self.holder.end()
        self.holder = who

    def leave_lock(self, who: Holder) -> None:
        if self.holder is who:
            self.holder = None

    def note(self, fence: int, name: str, what: str, detail: str = "") -> None:
        """An effect; what must always hold of a host is looked at after each."""
        self.journal.append(Effect(fence, name.split("-")[0], what, detail))
        self.check()

    def check(self) -> None:
        fences = [effect.fence for effect in self.journal[-2:]]
        assert fences == sorted(fences), f"{self.name}: a lower fence after a higher one: {self.journal}"
        if self.flipped:
            served = self.releases.get(self.current)
            assert served and served.prepared, f"{self.name}: {self.current!r} serves and is not there"  # noqa: PT018
        for name in self.good[-2:]:
            assert name in self.releases, f"{self.name}: one of the last two good releases is gone: {self.good}"

    def reboot(self) -> None:
        """Everything that ran is gone; what was written is still there."""
        for program in self.programs.values():
            program.kill()
        for switch in self.switches:
            switch.close()
        self.holder = None

    def go_on(self, lines: int) -> None:
        """What runs detached needs nobody who watches."""
        for program in list(self.programs.values()):
            for _ in range(lines):
                program.go_on()

    def wait_for_words(self) -> None:
        """So much time passes that whoever is armed has waited long enough."""
        for switch in list(self.switches):
            switch.end()


class RunningProgram:
    """A durable program: begun once, it goes on without anybody; `printed` is its spool from the first byte."""

    def __init__(self, host: ModelHost, name: str, nonce: str, fence: int, text: str) -> None:
        self.host, self.name, self.nonce, self.fence = host, name, nonce, fence
        self.printed = b""
        self.has_spool = True
        self.result = ""
        self.stopping = False
        self.on_failure = ":"
        self.keep, self.protected = 0, ""
        found = _TEXT.search(text)
        assert found is not None, "a program of another shape than this model knows"
        self.release, self.revision = found[1], found[2]
        self._work: Iterator[None] | None = self._run([shlex.split(line) for line in found[3].split("\n")])

    @property
    def runs(self) -> bool:
        return self._work is not None

    def go_on(self) -> None:
        if self._work is not None and next(self._work, self) is self:
            self._work = None

    def end(self) -> None:
        while self.runs:
            self.go_on()

    def kill(self) -> None:
        self._work = None
        self.host.leave_lock(self)

    def _run(self, lines: list[list[str]]) -> Iterator[None]:
        try:
            self.host.take_lock(self)
            self._checkpoint()
            if not self.release:
                self._take_live()
            for words in lines:
                yield
                yield from self._line(words)
            raise _Ended("ok")
        except _Ended as ended:
            self.result = str(ended)
            self._mark(f"end {ended}")
        self.host.leave_lock(self)

    def _line(self, words: list[str]) -> Iterator[None]:
        if words[0] == "step":
            yield from self._step(words)
        elif words[0].startswith("on_failure="):
            self.on_failure = words[0].partition("=")[2]
        elif words[0].startswith("keep="):
            values = dict(word.split("=", 1) for word in words)
            self.keep, self.protected = int(values["keep"]), values["protect"]
        elif "=" not in words[0]:  # what else is set is about folders and files, of which there are none
            known: dict[str, Callable[[], None]] = {
                "write_access": lambda: None,
                "lay_out_git": self._lay_out,
                "use_held": self._need_release,
                "need_release": self._need_release,
                "need_live": self._need_live,
                "seal": self._seal,
                "mark_good": self._mark_good,
                "clean_up": self._clean_up,
            }
            known[words[0]]()

    def _step(self, words: list[str]) -> Iterator[None]:
        _, index, title = words[:3]
        self._checkpoint()
        self._mark(f"step begin {index} {title}")
        self._note("step", title)
        for line in range(2):
            self._print(f"{self.name}: {title} {line}\n")
            yield
        code = 143 if self.stopping else 1 if self.host.failing else 0
        self._mark(f"step end {index} {code}")
        if self.stopping:
            raise _Ended("stopped")
        if code:
            self.host.failing -= 1
            self._fail("step", f'step "{title}" ended with exit code 1')
        self._note("done", title)

    def _checkpoint(self) -> None:
        if self.stopping:
            raise _Ended("stopped")
        if self.fence < self.host.fence:
            self._fail("fence", f"a newer deploy (fence {self.host.fence}) has taken over this folder")

    def _take_live(self) -> None:
        if not self.host.current:
            self._fail("release", "nothing that was deployed serves yet")

    def _lay_out(self) -> None:
        host, there = self.host, self.host.releases.get(self.release)
        if there is not None and (host.current == self.release or there.good):
            self._fail("release", f"release {self.release} has served before and is not laid out again")
        for name, other in list(host.releases.items()):
            if not other.prepared and name not in (host.current, self.release):
                self._remove(name)
        host.releases[self.release] = LaidOut(self.revision)
        self._note("lay out", self.release)

    def _seal(self) -> None:
        self._checkpoint()
        self.host.releases[self.release].prepared = True
        self._note("seal", self.release)

    def _need_release(self) -> None:
        there = self.host.releases.get(self.release)
        if there is None or not there.prepared:
            self._fail("release", f"release {self.release} is not (or no longer) prepared on this host")

    def _need_live(self) -> None:
        self._need_release()
        if self.host.current != self.release:
            self._fail("release", f"release {self.release} does not serve on this host")

    def _mark_good(self) -> None:
        there = self.host.releases[self.release]
        there.good, there.bad = True, False
        self.host.good = [name for name in self.host.good if name != self.release] + [self.release]
        self._note("good", self.release)

    def _clean_up(self) -> None:
        """Kept: what serves, the last two good by their names, the newest, and what is protected."""
        good = 0
        kept = {self.host.current, self.release, *self.protected.split()}
        for counted, name in enumerate(sorted(self.host.releases, reverse=True), 1):
            stays = counted <= self.keep or name in kept
            if self.host.releases[name].good and good < 2:
                good, stays = good + 1, True
            if not stays:
                self._remove(name)

    def _remove(self, name: str) -> None:
        del self.host.releases[name]
        self._mark(f"removed {name}")
        self._note("remove", name)

    def _fail(self, kind: str, text: str) -> None:
        self._mark(f"fail {kind} {text}")
        if self.on_failure == "mark_bad":
            there = self.host.releases[self.release]
            there.good, there.bad = False, True
            self.host.good = [name for name in self.host.good if name != self.release]
            self._note("bad", self.release)
            self._clean_up()
        raise _Ended(f"failed {kind}")

    def _note(self, what: str, detail: str) -> None:
        self.host.note(self.fence, self.name, what, detail)

    def _mark(self, text: str) -> None:
        self._print(f"\x1e{self.nonce} {text}\n")

    def _print(self, text: str) -> None:
        self.printed += text.encode()


class _Link:
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


Point = Callable[["_Link | None", str], None]


class StartChannel(_Link):
    """The loader: starts a program once, or attaches to it, and follows what it writes."""

    def __init__(self, host: ModelHost, point: Point, words: list[str]) -> None:
        super().__init__(host, point, words[5])
        self._name, self._fence, self._at = words[2], int(words[3]), int(words[4])
        self._program: RunningProgram | None = None

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

    def _begin(self, text: str) -> RunningProgram:
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


class SwitchChannel(_Link):
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
            host.flipped.add(self._name.split("-")[0])
            if old != self._release:
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


class LookChannel(_Link):
    """Says what serves."""

    def __init__(self, host: ModelHost, point: Point, words: list[str]) -> None:
        super().__init__(host, point, words[0])
        self._say(f"current 1 serves {host.current or '-'}")
        self._say("looked 1")
        self._closed = True


@dataclass
class Fleet:
    """The hosts of the test that runs now, by name; `point`: see `_Link`."""

    hosts: dict[str, ModelHost] = field(default_factory=dict)
    point: Point = field(default=lambda link, where: None)


FLEET = Fleet()


@contextmanager
def program(host: Host, user: str, command: str) -> Iterator[_Link]:
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


def _open(host: ModelHost, command: str) -> _Link:
    if "mark looked" in command:
        return LookChannel(host, FLEET.point, command.rsplit(" ", 3)[1:])
    if "-switch-" in command[-700:]:
        return SwitchChannel(host, FLEET.point, command.rsplit(" ", _SWITCH_ARGUMENTS)[1:])
    return StartChannel(host, FLEET.point, command.rsplit(" ", _START_ARGUMENTS)[1:])
