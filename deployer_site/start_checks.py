"""What is checked before anything starts, so that nothing is ever half started.

StartRefused
├── AlreadyRunning     another copy works in this folder
├── PortTaken          another program listens where we want to
├── FolderNotWritable  VAR cannot be written
├── DatabaseRefused    the database cannot be used
└── MigrationFailed    its tables could not be brought to this version
"""

import fcntl
import os
import time
from pathlib import Path

from deployer_site.network import is_free

# After a kill -9 the watcher ends the old processes within this time and then lets go of the lock.
OLD_COPY_SECONDS = 8.0


class StartRefused(Exception):
    """Why nothing was started and what to do, as one sentence for the person at the terminal."""


class AlreadyRunning(StartRefused):
    pass


class PortTaken(StartRefused):
    pass


class FolderNotWritable(StartRefused):
    pass


class DatabaseRefused(StartRefused):
    def __init__(self, reason: str) -> None:
        first = (reason.strip().splitlines() or ["no reason given"])[0].rstrip(".")
        super().__init__(f"The database cannot be used ({first}). Start it, or check DATABASE_URL.")


class MigrationFailed(StartRefused):
    """`str()` is all of it: it passes between processes as it is."""


def tell_failed_migration(name: str, error: Exception) -> str:
    """`name`: as `deployments.0003_drift`; what it means for the data, and the way back."""
    first = (str(error).strip().splitlines() or [type(error).__name__])[0].rstrip(".")
    return (
        f"The tables could not be brought to this version: the migration {name} failed ({first}). What it had begun is "
        "undone, and no row was lost. The version that ran before works with the tables as they are: start that again "
        "(docs/upgrading.md), and this one once the cause is gone."
    )


def prepare_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name in ("run", "secrets"):
            (folder / name).mkdir(mode=0o700, exist_ok=True)
        probe = folder / "run" / ".probe"
        probe.write_text("written", encoding="ascii")
        probe.unlink()
    except OSError as error:
        raise FolderNotWritable(
            f"The folder {folder} cannot be written ({error.strerror}). Set VAR to a folder that may be, or give it to "
            "the user who starts the Deployer."
        ) from error


def take_lock(folder: Path) -> int:
    """The file descriptor that holds the lock of `folder`; it is ours until every process that inherited it ends."""
    file = folder / "run" / "up.lock"
    descriptor = os.open(file, os.O_RDWR | os.O_CREAT, 0o600)
    deadline = time.monotonic() + OLD_COPY_SECONDS
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.pread(descriptor, 20, 0).decode("ascii", "replace").strip()
            if _lives(holder) or time.monotonic() > deadline:
                os.close(descriptor)
                raise AlreadyRunning(
                    f"Another copy is already running in {folder} (process {holder or 'unknown'}). Use that one, stop "
                    "it with Ctrl-C in its terminal, or set VAR and PORT to others for a second copy."
                ) from None
            time.sleep(0.1)
        else:
            os.ftruncate(descriptor, 0)
            os.pwrite(descriptor, str(os.getpid()).encode("ascii"), 0)
            return descriptor


def _lives(process: str) -> bool:
    if not process.isdigit():
        return False
    try:
        os.kill(int(process), 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def check_port(host: str, port: int) -> None:
    if not is_free(host, port):
        raise PortTaken(
            f"Port {port} on {host} is taken by another program (or {host} is not an address of this machine). Stop "
            f"that program, or start on another port with PORT={port + 1 if port < 65535 else 8000}."
        )
