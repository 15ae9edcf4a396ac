"""A small process of its own that ends what the supervisor started when the supervisor is gone, kill -9 included.

Run as a script, without site packages. It reads lines from standard input, which only the supervisor writes to:
`+123` watch the process group 123, `-123` forget it. At the end of input it ends every group that it still watches.
It works alike on Linux and macOS, unlike PR_SET_PDEATHSIG. While it works it keeps the lock of the folder that it
inherited, so that a new copy does not start before the old one is gone.
"""

import os
import signal
import sys
import time
from collections.abc import Iterable

POLITE_SECONDS = 3.0
FORCED_SECONDS = 3.0
POLL_SECONDS = 0.02


def watch(lines: Iterable[str]) -> set[int]:
    """The groups that are still watched when the input ends."""
    groups: set[int] = set()
    for line in lines:
        sign, number = line[:1], line[1:].strip()
        if number.isdigit() and int(number) > 1:
            (groups.add if sign == "+" else groups.discard)(int(number))
    return groups


def send(groups: set[int], number: int) -> set[int]:
    """Signal each group; those that still exist."""
    alive = set()
    for group in groups:
        try:
            os.killpg(group, number)
        except ProcessLookupError:
            continue
        except PermissionError:
            # macOS answers so for a group of which only a zombie is left.
            continue
        alive.add(group)
    return alive


def wait(groups: set[int], seconds: float) -> set[int]:
    deadline = time.monotonic() + seconds
    while groups and time.monotonic() < deadline:
        time.sleep(POLL_SECONDS)
        groups = send(groups, 0)
    return groups


def main() -> None:
    for ignored in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT):
        signal.signal(ignored, signal.SIG_IGN)
    groups = watch(sys.stdin)
    groups = wait(send(groups, signal.SIGTERM), POLITE_SECONDS)
    wait(send(groups, signal.SIGKILL), FORCED_SECONDS)


if __name__ == "__main__":
    main()
