"""Measure, and print one table: `make bench`."""

import platform
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks import deploys, logs, rollbacks
from benchmarks.installation import Installation, demo

MEASUREMENTS: dict[str, Callable[[Installation], dict[str, Any]]] = {
    "deploys": deploys.measure,
    "logs": logs.measure,
    "rollbacks": rollbacks.measure,
}


def main() -> None:
    wanted = sys.argv[1:] or list(MEASUREMENTS)
    print(f"Python {platform.python_version()} on {platform.system()} {platform.machine()}", flush=True)
    with demo() as deployer:
        for name in wanted:
            for figure, value in MEASUREMENTS[name](deployer).items():
                print(f"{name:10} {figure:28} {value}", flush=True)


if __name__ == "__main__":
    main()
