"""What ties the demo fleet's life to its parent's, and its hosts' processes to its own."""

import asyncio
import fcntl
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from environments.demo import guard
from environments.demo.layout import DemoFolder

LOCK_PATIENCE = 20.0
GUARD_PATIENCE = 20.0
PARENT_CHECK = 0.5


class FleetError(Exception):
    """The fleet cannot start; the text says why and what to do."""


@contextmanager
def locked(demo: DemoFolder) -> Iterator[int]:
    """Hold the demo's lock. An earlier fleet's guard holds it until the last process of that fleet is gone."""
    demo.path.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(demo.lock, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        deadline = time.monotonic() + LOCK_PATIENCE
        while not _try_lock(descriptor):
            if time.monotonic() > deadline:
                raise FleetError(f"Another demo fleet runs in {demo.path}. End it, or start with another VAR.")
            time.sleep(0.05)
        yield descriptor
    finally:
        os.close(descriptor)


@contextmanager
def guarded(demo: DemoFolder, lock: int, sockets: Path) -> Iterator["subprocess.Popen[bytes]"]:
    """Run the guard. It ends what hosts run when this process ends, and at the end of the block."""
    if not guard.end_marked(demo.marker):
        raise FleetError("Processes of an earlier demo fleet do not end. Look for them with `ps`, then start again.")
    command = [sys.executable, "-IS", guard.__file__, demo.marker, str(sockets)]
    guardian = subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, pass_fds=(lock,), start_new_session=True
    )
    assert guardian.stdin is not None
    try:
        yield guardian
    finally:
        guardian.stdin.close()
        guardian.wait(GUARD_PATIENCE)


async def wait_for_end(ended: asyncio.Event, parent: int, guardian: "subprocess.Popen[bytes]") -> str:
    """Return why the fleet has to end: a signal, the death of its parent, or of its guard."""
    while not ended.is_set():
        if os.getppid() != parent:
            return "the process that started it is gone"
        if guardian.poll() is not None:
            return "its guard is gone"
        try:
            await asyncio.wait_for(ended.wait(), PARENT_CHECK)
        except TimeoutError:
            continue
    return "it was told to"


def _try_lock(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
