"""The log: 100,000 lines to a reader that reconnects seven times, and how late a line is at 300 lines per second."""

import asyncio
import json
import statistics
import subprocess
import time
from typing import Any

from websockets.asyncio.client import connect

from benchmarks.installation import Installation

LINES = 100_000
RECONNECTS = 7
RATE = 300
SECONDS = 15

_FLOOD = f"seq 1 {LINES}"
_STEADY = (
    "python3 -u -c 'import time; began = time.time()\n"
    f"for n in range({RATE * SECONDS}):\n"
    f"    time.sleep(max(0, began + n / {RATE} - time.time())); print(time.time())'"
)
_SETUP = """
from environments.models import Application, Environment, Membership, Host, Target, Step
source = Application.objects.get(name="storefront")
for name, command in {commands!r}.items():
    application = Application.objects.create(name=name, repository=source.repository)
    environment = Environment.objects.create(name=name)
    host = Host.objects.order_by("name").first()
    Membership.objects.create(environment=environment, host=host)
    target = Target.objects.create(application=application, environment=environment, root=f"~/{{name}}", user="deploy")
    Step.objects.create(target=target, name=name, command=command)
"""


def measure(deployer: Installation) -> dict[str, Any]:
    """Lines per second against `ssh`-less `seq` in the same run, lines lost and doubled, and latency in ms."""
    deployer.manage("shell", "-c", _SETUP.format(commands={"flood": _FLOOD, "steady": _STEADY}))
    return {**_flood(deployer), **_latency(deployer)}


def _flood(deployer: Installation) -> dict[str, Any]:
    deploy = deployer.call("POST", "/targets/flood/flood/deploys", {"ref": "main"})
    lines, end, arrived = asyncio.run(_read(deployer, deploy["id"], reconnects=RECONNECTS))
    numbers = [int(line["text"]) for line in lines if line["stream"] == "stdout"]
    began = time.monotonic()
    subprocess.run(["seq", "1", str(LINES)], capture_output=True, check=True)
    alone = time.monotonic() - began
    return {
        "lines": len(numbers),
        "lines_lost": LINES - len(set(numbers)),
        "lines_doubled": len(numbers) - len(set(numbers)),
        "lines_in_order": [line["n"] for line in lines] == list(range(1, end["lines"] + 1)),
        "lines_per_second": round(LINES / (arrived[-1] - arrived[0])),
        "seq_alone_seconds": round(alone, 3),
    }


def _latency(deployer: Installation) -> dict[str, Any]:
    deploy = deployer.call("POST", "/targets/steady/steady/deploys", {"ref": "main"})
    lines, _, arrived = asyncio.run(_read(deployer, deploy["id"], reconnects=0))
    late = [
        (at - float(line["text"])) * 1000 for line, at in zip(lines, arrived, strict=True) if line["stream"] == "stdout"
    ]
    percentiles = statistics.quantiles(late, n=100)
    return {"latency_ms_p50": round(percentiles[49]), "latency_ms_p99": round(percentiles[98])}


async def _read(deployer: Installation, deploy_id: int, *, reconnects: int) -> tuple[list[Any], Any, list[float]]:
    """Every line once, the end, and when each line arrived; the connection is cut off now and then."""
    lines: list[Any] = []
    arrived: list[float] = []
    cut_every = LINES // (reconnects + 1)
    address = deployer.url.replace("http", "ws", 1) + f"/ws/deploys/{deploy_id}/log"
    headers = {"Authorization": f"Bearer {deployer.token}"}
    while True:
        url = f"{address}?from={len(lines) + 1}"
        async with connect(url, additional_headers=headers, origin=None, max_size=None) as socket:
            async for text in socket:
                frame = json.loads(text)
                lines += frame.get("lines", [])
                arrived += [time.time()] * len(frame.get("lines", []))
                if "end" in frame:
                    return lines, frame["end"], arrived
                if reconnects and len(lines) >= cut_every * (RECONNECTS + 1 - reconnects):
                    reconnects -= 1
                    socket.transport.abort()  # as a lost network, without a word
                    break
