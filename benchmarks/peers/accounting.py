"""What a set of processes costs, by a control group of the kernel: processor time, and memory."""

import os
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

_FIRST = Path("/sys/fs/cgroup/cpuacct")
_SECOND = (Path("/sys/fs/cgroup"), Path("/sys/fs/cgroup/unified"))
_PAGE = os.sysconf("SC_PAGESIZE")
SAMPLE_SECONDS = 0.1


class NoControlGroups(Exception):
    """This machine cannot account for processes."""


@dataclass(frozen=True)
class Group:
    """A control group; whatever a process in it starts is in it too."""

    folder: Path

    def enter(self, command: Sequence[str]) -> list[str]:
        """The command line that runs `command` in this group."""
        return ["/bin/sh", "-c", 'echo $$ >"$0" && exec "$@"', str(self.folder / "cgroup.procs"), *command]

    @property
    def cpu(self) -> float:
        """Seconds of processor time that this group has used since it was made."""
        first = self.folder / "cpuacct.usage"
        if first.exists():
            return int(first.read_text()) / 1e9
        fields = dict(line.split() for line in (self.folder / "cpu.stat").read_text().splitlines())
        return int(fields["usage_usec"]) / 1e6

    @property
    def processes(self) -> list[int]:
        return [int(pid) for pid in (self.folder / "cgroup.procs").read_text().split()]

    @property
    def memory(self) -> int:
        """Bytes that all processes together keep in memory; files that several have mapped, as libraries, count once.

        Of a child that is its parent's copy only what it does not share: it has just been split off and is about to
        become another program, or it is a copy that stays.
        """
        names: dict[int, str] = {}
        found: list[tuple[int, int, str, int]] = []
        mapped = [0]
        for pid in self.processes:
            try:
                folder = Path(f"/proc/{pid}")
                names[pid] = (folder / "cmdline").read_text()
                parent = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
                resident, shared = (int(pages) * _PAGE for pages in (folder / "statm").read_text().split()[1:3])
            except OSError:
                continue  # it has ended since
            found.append((pid, parent, names[pid], resident - shared))
            mapped.append(shared)
        own = sum(_own(pid) if names.get(parent) == name else size for pid, parent, name, size in found)
        return own + max(mapped)


def _own(pid: int) -> int:
    """Bytes of a process that it shares with nobody; 0 when it has ended."""
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except OSError:
        return 0
    return sum(int(line.split()[1]) * 1024 for line in lines if line.startswith("Private_"))


@contextmanager
def group(name: str) -> Iterator[Group]:
    """A new control group, removed when it is empty at the end. Raises NoControlGroups."""
    parents = [_FIRST] if (_FIRST / "cpuacct.usage").exists() else [p for p in _SECOND if (p / "cgroup.procs").exists()]
    if not parents:
        raise NoControlGroups(
            "This machine has no control groups in /sys/fs/cgroup, so nobody's CPU can be told apart."
        )
    made = Group(parents[0] / f"{name}-{os.getpid()}")
    made.folder.mkdir()
    try:
        yield made
    finally:
        try:
            made.folder.rmdir()
        except OSError:
            print(f"{made.folder} still has processes; it stays.")


@dataclass
class Peak:
    """The most memory that a group had at any look."""

    bytes: int = 0
    _ended: threading.Event = field(default_factory=threading.Event)

    def watch(self, group: Group) -> None:
        while not self._ended.wait(SAMPLE_SECONDS):
            self.bytes = max(self.bytes, group.memory)

    def end(self) -> None:
        self._ended.set()


@contextmanager
def peak_memory(group: Group) -> Iterator[Peak]:
    peak = Peak()
    thread = threading.Thread(target=peak.watch, args=(group,))
    thread.start()
    try:
        yield peak
    finally:
        peak.end()
        thread.join()
