"""How long people wait for the way back: a rollback, and the flip of a held deploy, on the demo's 12 hosts."""

import statistics
import time
from datetime import datetime
from typing import Any

from benchmarks.installation import Installation

TARGET = "storefront/production"
ROUNDS = 5
LOOK_SECONDS = 0.5  # the deploy itself tells when it ended


def measure(deployer: Installation) -> dict[str, Any]:
    """Seconds from the request until the last host is live (its service restarted), and until the last has switched."""
    deployer.deploy(TARGET)
    rollbacks, flips, flipped = [], [], []
    for _ in range(ROUNDS):
        newer = deployer.call("POST", f"/targets/{TARGET}/deploys", {"ref": "main", "hold": True})
        while not (resting := deployer.call("GET", f"/deploys/{newer['id']}"))["prepared_at"]:
            time.sleep(LOOK_SECONDS)
        asked = time.time()
        deployer.call("POST", f"/deploys/{resting['id']}/flip")
        done = deployer.final(resting["id"], every=LOOK_SECONDS)
        _check(done)
        flips.append(_ended(done) - asked)
        flipped.append(_last_switch(deployer, done) - asked)
        back = deployer.call("POST", f"/targets/{TARGET}/rollback")
        back = deployer.final(back["id"], every=LOOK_SECONDS)
        _check(back)
        rollbacks.append(_ended(back) - datetime.fromisoformat(back["requested_at"]).timestamp())
    return {
        "rollback_seconds_median": round(statistics.median(rollbacks), 2),
        "rollback_seconds_worst": round(max(rollbacks), 2),
        "flip_seconds_median": round(statistics.median(flips), 2),
        "flip_seconds_worst": round(max(flips), 2),
        "flip_until_switched_median": round(statistics.median(flipped), 2),
    }


def _check(deploy: dict[str, Any]) -> None:
    if deploy["status"] != "succeeded" or len(deploy["hosts"]) != 12:
        raise SystemExit(f"Deploy {deploy['id']} ended as {deploy['status']}: {deploy['reason']}")


def _ended(deploy: dict[str, Any]) -> float:
    return datetime.fromisoformat(deploy["finished_at"]).timestamp()


def _last_switch(deployer: Installation, deploy: dict[str, Any]) -> float:
    hosts = deployer.call("GET", f"/targets/{TARGET}")["hosts"]
    return max(datetime.fromisoformat(host["switched_at"]).timestamp() for host in hosts)
