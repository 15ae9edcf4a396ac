"""What a benchmark that was killed has left behind: servers, a network, disks in memory. One runs at a time."""

import fcntl
import os
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from benchmarks.peers import network

DISK = "deploybench"
LOCK = Path("/run/deploybench.lock")
END_SECONDS = 20.0


class AlreadyRunning(Exception):
    """Another benchmark holds the network; what it uses must not be cleared away."""


@contextmanager
def cleared() -> Iterator[None]:
    """Nothing of an earlier run is left, and nobody begins another one meanwhile. Raises AlreadyRunning."""
    with LOCK.open("a") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise AlreadyRunning("Another benchmark is running on this machine; wait for its end.") from None
        end_servers()
        remove_disks()
        network.remove()
        yield


def end_servers() -> None:
    """Whatever still runs in the namespace; waits until it is gone."""
    deadline = time.monotonic() + END_SECONDS
    while inside := _processes():
        if time.monotonic() > deadline:
            raise TimeoutError(f"Processes {inside} in the network {network.SPACE} do not end.")
        for pid in inside:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        time.sleep(0.05)


def _processes() -> list[int]:
    listed = subprocess.run(["ip", "netns", "pids", network.SPACE], check=False, capture_output=True, text=True)
    return [int(pid) for pid in listed.stdout.split()]


def remove_disks() -> None:
    for line in Path("/proc/mounts").read_text().splitlines():
        source, place = line.split()[:2]
        if source == DISK:
            subprocess.run(["umount", "-l", place], check=True)
