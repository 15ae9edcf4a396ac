"""`python -m environments.demo FOLDER`: the fleet without Django around it, which starts in a fraction of the time."""

import sys
from pathlib import Path

from environments.demo.fleet import run_fleet
from environments.demo.layout import DemoFolder
from environments.demo.lifeline import FleetError
from environments.demo.ports import NoFreePort

USAGE = 2


def main() -> int:
    """Run the fleet; one clear sentence when it cannot."""
    if len(sys.argv) != 2:
        sys.stderr.write("Usage: python -m environments.demo FOLDER\n")
        return USAGE
    try:
        run_fleet(DemoFolder(Path(sys.argv[1])), _say)
    except (FleetError, NoFreePort) as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
