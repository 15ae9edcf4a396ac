"""How long a deploy to the demo's twelve production hosts takes, and how far apart they switch."""

import statistics
import time
from datetime import datetime
from typing import Any

from benchmarks.installation import Installation

ROUNDS = 5


def measure(deployer: Installation) -> dict[str, Any]:
    """Seconds from the request to the final state, and milliseconds between the first and the last switch."""
    seconds, skews = [], []
    for _ in range(ROUNDS):
        began = time.monotonic()
        deploy = deployer.deploy("storefront/production")
        seconds.append(time.monotonic() - began)
        if deploy["status"] != "succeeded":
            raise SystemExit(f"A deploy ended as {deploy['status']}: {deploy['reason']}")
        skews.append(_skew(deployer, deploy))
    return {
        "hosts": len(deploy["hosts"]),
        "deploy_seconds_median": round(statistics.median(seconds), 2),
        "deploy_seconds_worst": round(max(seconds), 2),
        "flip_skew_ms_median": round(statistics.median(skews)),
        "flip_skew_ms_worst": round(max(skews)),
    }


def _skew(deployer: Installation, deploy: dict[str, Any]) -> float:
    times = []
    for host in deploy["hosts"]:
        (log,) = (deployer.hosts / host["host"] / "home").glob("**/storefront/revisions.log")
        last = log.read_text().splitlines()[-1]
        if f"deploy {deploy['number']} " not in last:
            raise SystemExit(f"{host['host']} did not switch: {last}")
        times.append(datetime.fromisoformat(last.split()[0]).timestamp() * 1000)
    return max(times) - min(times)
