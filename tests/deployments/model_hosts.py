"""Hosts in memory that keep what hosts keep: fence, releases, `current`; `journal` tells each effect with its fence."""

from dataclasses import dataclass
from typing import Protocol


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


class Holder(Protocol):
    """Who has a host's long lock."""

    def end(self) -> None:
        """Go on until the lock is free, as it is when others wait for it long enough."""


class Armed(Holder, Protocol):
    """A switch that waits for its word."""

    def close(self) -> None: ...


class Detached(Protocol):
    """A durable program: begun once, it goes on without anybody; `printed` is its spool from the first byte."""

    fence: int
    nonce: str
    printed: bytes
    has_spool: bool
    result: str
    stopping: bool

    @property
    def runs(self) -> bool: ...

    def go_on(self) -> None: ...

    def kill(self) -> None: ...


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
        self.programs: dict[str, Detached] = {}
        self.journal: list[Effect] = []
        self.flipped: set[str] = set()  # deploys whose word has made their release current
        self.told: set[str] = set()  # those whose word was taken, also where their release was current before
        self.holder: Holder | None = None
        self.switches: list[Armed] = []

    def claim(self, fence: int, program: Detached | None = None) -> None:
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
