"""Somebody swaps `current` and is killed again and again, while somebody else reads it."""

import os
import random
import signal
import subprocess
import threading
import time
from dataclasses import dataclass
from pathlib import Path

from deployments import host_program

TOOLS = Path(host_program.__file__).parent / "hostside/tools.sh"
# the way of the switch program: a new link beside it, then rename(2) by `replace`
SWAPPER = """. "$2"
cd "$1"; n=0
while n=$((n + 1)); do
    rm -f next-*; ln -s releases/$((n % 2)) next-$$ && replace next-$$ current && echo x >>swaps
done"""


@dataclass
class Seen:
    reads: int = 0
    misses: int = 0
    swaps: int = 0
    kills: int = 0


def swap_under_kills(folder: Path, chance: random.Random, *, reads: float, swaps: float, kills: float) -> Seen:
    """Until each of them has happened so often."""
    for name in ("0", "1"):
        (folder / "releases" / name).mkdir(parents=True)
        (folder / "releases" / name / "file").touch()
    (folder / "current").symlink_to("releases/0")
    seen, over = Seen(), threading.Event()
    reader = threading.Thread(target=_read, args=(str(folder / "current/file"), seen, over))
    reader.start()
    try:
        while seen.reads < reads or seen.swaps < swaps or seen.kills < kills:
            _swap_and_die(folder, chance.uniform(0, 0.1 if seen.kills < kills and seen.swaps >= swaps else 0.4))
            seen.kills += 1
            seen.swaps = (folder / "swaps").stat().st_size // 2 if (folder / "swaps").exists() else 0
            assert (folder / "current").readlink() in (Path("releases/0"), Path("releases/1"))
    finally:
        over.set()
        reader.join()
    return seen


def _swap_and_die(folder: Path, seconds: float) -> None:
    command = ["sh", "-c", SWAPPER, "swapper", str(folder), str(TOOLS)]
    swapper = subprocess.Popen(command, start_new_session=True)
    time.sleep(seconds)
    os.killpg(swapper.pid, signal.SIGKILL)
    swapper.wait()


def _read(path: str, seen: Seen, over: threading.Event) -> None:
    while not over.is_set():
        for _ in range(1000):
            try:
                os.stat(path)
            except FileNotFoundError:
                seen.misses += 1
        seen.reads += 1000
