"""Measure, and print one table: `make bench`."""

import platform
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks import deploys, log_page, logs, rollbacks, scheduler
from benchmarks.installation import Installation, demo

MEASUREMENTS: dict[str, Callable[[Installation], dict[str, Any]]] = {
    "deploys": deploys.measure,
    "logs": logs.measure,
    "rollbacks": rollbacks.measure,
    "log_page": log_page.measure,
}

# These start what they measure by themselves, and take minutes: only when they are asked for.
ALONE: dict[str, Callable[[], dict[str, Any]]] = {"scheduler": scheduler.measure}


def main() -> None:
    wanted = [name for name in sys.argv[1:] if name not in ALONE] or ([] if sys.argv[1:] else list(MEASUREMENTS))
    print(f"Python {platform.python_version()} on {platform.system()} {platform.machine()}", flush=True)
    for name in [name for name in sys.argv[1:] if name in ALONE]:
        tell(name, ALONE[name]())
    if wanted:
        with demo() as deployer:
            for name in wanted:
                tell(name, MEASUREMENTS[name](deployer))


def tell(name: str, figures: dict[str, Any]) -> None:
    for figure, value in figures.items():
        print(f"{name:10} {figure:28} {value}", flush=True)


if __name__ == "__main__":
    main()
