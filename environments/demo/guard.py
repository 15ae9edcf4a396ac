"""Ends everything that the demo's hosts run, once the fleet is gone, however it went.

Runs as a program of its own (`guard.py MARKER FOLDER`) in its own session, with the read end of a pipe as standard
input. Only the fleet holds the other end, so the end of input means that the fleet is dead, by `kill -9` too.
What hosts run carries the marker in its environment, and is found by it however far it detached itself. The folder
held the fleet's sockets, and is removed.
"""

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

MARKER_NAME = "DEMO_FLEET"
PATIENCE = 15.0


def main() -> int:
    """Wait for the end of input, then end all that carries the marker."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    while os.read(0, 4096):
        pass
    ended = end_marked(sys.argv[1])
    shutil.rmtree(sys.argv[2], ignore_errors=True)
    return 0 if ended else 1


def end_marked(marker: str) -> bool:
    """Kill every process with the marker, until two looks in a row find none. False when some would not die."""
    deadline = time.monotonic() + PATIENCE
    clean = 0
    while clean < 2:
        if time.monotonic() > deadline:
            return False
        found = list(marked_processes(marker))
        for pid in found:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                continue
        clean = 0 if found else clean + 1
        time.sleep(0.02)
    return True


def marked_processes(marker: str) -> Iterator[int]:
    """The ids of all living processes that carry the marker in their environment."""
    own = os.getpid()
    source = _from_proc(marker) if Path("/proc/self/environ").exists() else _from_ps(marker)
    return (pid for pid in source if pid != own)


def _from_proc(marker: str) -> Iterator[int]:
    wanted = f"{MARKER_NAME}={marker}".encode()
    for name in os.listdir("/proc"):
        if not name.isdigit():
            continue
        try:
            environment = Path("/proc", name, "environ").read_bytes()
        except OSError:  # it ended meanwhile, or belongs to somebody else
            continue
        if wanted in environment.split(b"\0"):
            yield int(name)


def _from_ps(marker: str) -> Iterator[int]:
    wanted = f"{MARKER_NAME}={marker}".encode()
    command = ["ps", "-axEww", "-o", "pid=,command="]
    listing = subprocess.run(command, stdout=subprocess.PIPE, check=False).stdout
    for line in listing.splitlines():
        number, _, words = line.strip().partition(b" ")
        if wanted in words.split():
            yield int(number)


if __name__ == "__main__":
    sys.exit(main())
