"""A wall clock that jumps while a process runs, and waits that do not notice. Needs a C compiler, on Linux.

libfaketime would do without one, but makes Python's own sleep fail: it shifts the clock that sleeping goes by and not
the sleep itself.
"""

import shutil
import struct
import subprocess
from pathlib import Path

SOURCE = Path(__file__).with_suffix(".c")


class JumpingClock:
    """`environment` makes a process live by this clock."""

    def __init__(self, folder: Path) -> None:
        compiler = shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")
        assert compiler, "A clock that jumps needs a C compiler; on Debian: apt install gcc"
        self._shift, library = folder / "shift", folder / "jumping_clock.so"
        self._shift.write_bytes(struct.pack("=q", 0))
        command = [compiler, "-O1", "-Wall", "-Werror", "-shared", "-fPIC", "-o", str(library), str(SOURCE)]
        subprocess.run(command, check=True)
        self.environment = {"LD_PRELOAD": str(library), "JUMPING_CLOCK": str(self._shift)}

    def jump(self, seconds: float) -> None:
        """From now on it is so many seconds off the true time."""
        with self._shift.open("r+b") as file:
            file.write(struct.pack("=q", int(seconds * 1e9)))
