"""A program of this machine, run without a shell and within limits of time and output; what it prints.

It runs as the Deployer itself, so of our environment it sees PATH, HOME and LANG alone.
"""

import contextlib
import os
import selectors
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

MOST_ERRORS = 2000
LOOK_SECONDS = 0.5
_KEPT = ("PATH", "HOME", "LANG")


class ProgramTrouble(Exception):
    """It could not be started, took too long or printed too much; `str()` says which, and nothing that it printed."""


@dataclass(frozen=True, repr=False)
class Ended:
    """`errors` is the end of what it said on its standard error."""

    code: int
    output: bytes
    errors: bytes


def run(
    words: Sequence[str],
    *,
    seconds: float,
    most_bytes: int,
    interrupted: Callable[[], bool] = lambda: False,
    given: bytes = b"",
    more: Mapping[str, str] | None = None,
) -> Ended:
    """Whatever it has started ends with it. `given`: a few lines for its standard input; `more` of an environment.

    Raises ProgramTrouble.
    """
    environ = {name: os.environ[name] for name in _KEPT if name in os.environ} | dict(more or {})
    try:
        process = subprocess.Popen(
            words,
            stdin=subprocess.PIPE if given else subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=environ,
            cwd="/",
            start_new_session=True,
        )
    except (OSError, ValueError) as error:
        told = error.strerror if isinstance(error, OSError) else "its words hold what no program can be given"
        raise ProgramTrouble(f"{words[0]} cannot be run: {told}.") from None
    with process:
        try:
            if process.stdin is not None:
                with contextlib.suppress(BrokenPipeError), process.stdin as door:
                    door.write(given)  # less than a pipe holds
            said, errors = _collect(process, words[0], seconds, most_bytes, interrupted)
            code = process.wait(1)
        except subprocess.TimeoutExpired:
            raise ProgramTrouble(f"{words[0]} has closed its output and does not end.") from None
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
    return Ended(code, said, errors)


def _collect(
    process: "subprocess.Popen[bytes]", name: str, seconds: float, most_bytes: int, interrupted: Callable[[], bool]
) -> tuple[bytes, bytes]:
    give_up = time.monotonic() + seconds
    said, errors = bytearray(), bytearray()
    assert process.stdout
    assert process.stderr
    with selectors.DefaultSelector() as open_ones:
        open_ones.register(process.stdout, selectors.EVENT_READ, said)
        open_ones.register(process.stderr, selectors.EVENT_READ, errors)
        while open_ones.get_map():
            left = give_up - time.monotonic()
            if left <= 0:
                raise ProgramTrouble(f"{name} did not end within {seconds:.0f} s, and was ended.")
            if interrupted():
                raise ProgramTrouble(f"{name} was ended, for nobody waits for it any more.")
            for key, _ in open_ones.select(min(left, LOOK_SECONDS)):
                block = os.read(key.fd, 1 << 16)
                if not block:
                    open_ones.unregister(key.fileobj)
                key.data.extend(block)
                if len(said) > most_bytes:
                    raise ProgramTrouble(f"{name} prints more than {_size(most_bytes)}, and was ended.")
                del errors[:-MOST_ERRORS]
    return bytes(said), bytes(errors)


def _size(number: int) -> str:
    return f"{number >> 20} MB" if number >= 1 << 20 else f"{number >> 10} KB"
