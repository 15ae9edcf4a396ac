"""Looking at a host from outside: its processes and its files."""

import os
from pathlib import Path

from tests.deployments.host_program.hosts import Host
from tests.processes import nap


def processes_with(text: str | Path) -> list[str]:
    """The living processes of this machine whose arguments or environment contain `text`."""
    found = []
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit() and int(folder.name) != os.getpid():
            try:
                arguments = (folder / "cmdline").read_bytes()
                if str(text).encode() in arguments + (folder / "environ").read_bytes():
                    found.append(f"{folder.name} {arguments!r}")
            except OSError:
                continue
    return found


def naps(number: int) -> list[str]:
    """The living processes that `nap(number)` has started."""
    return processes_with(nap(number).replace(" ", "\0"))


def runner_of(host: Host, name: str) -> int:
    """The process id of a detached runner: its session's leader."""
    for line in processes_with(f"programs/{name}/program"):
        pid = int(line.split()[0])
        if os.getsid(pid) == pid:
            return pid
    raise AssertionError(f"{name} does not run on {host.place.root}")


def content_of(folder: Path) -> dict[str, str]:
    """Every path below a folder with its content: to see that nothing was written."""
    return {
        str(path.relative_to(folder)): os.readlink(path) if path.is_symlink() else path.read_text(errors="replace")
        for path in sorted(folder.rglob("*"))
        if path.is_symlink() or path.is_file()
    } | {
        str(path.relative_to(folder)) + "/": "" for path in folder.rglob("*") if path.is_dir() and not path.is_symlink()
    }
