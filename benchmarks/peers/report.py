"""From runs to a table of medians and ratios, and into docs/performance.md."""

import os
import platform
import re
import statistics
import subprocess
import time
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path

from benchmarks.peers.runs import Run

DOCUMENT = Path(__file__).resolve().parent.parent.parent / "docs" / "performance.md"
BEGIN, END = "<!-- peers: written by make bench-peers -->", "<!-- /peers -->"
LIMIT = "openssh"
_NAMES = {
    "openssh": "OpenSSH and xargs, one script per host (the limit)",
    "capistrano": "Capistrano",
    "fabric": "Fabric, a `run` per command",
    "deployer": "**The Deployer**",
    "deployer-git": "The Deployer, hosts fetch by git",
    "deployer-warm": "The Deployer, connections still open",
}
_HEAD = (
    "tool | wall s | times limit | control CPU ms/host | hosts' CPU ms/host | memory MB | flip skew ms | "
    "connections | programs"
)


def line(run: Run) -> str:
    return (
        f"{run.scenario:10} {run.tool:14} wall {run.wall:6.2f} s  control {run.control_cpu * 1000:5.1f} ms  "
        f"hosts {run.host_cpu * 1000:6.1f} ms  {run.memory:5.0f} MB  skew {run.skew:6.0f} ms  "
        f"{run.connections:.2f} connections  {run.programs:.2f} programs  load {run.load:.1f}"
    )


def table(runs: Sequence[Run], database: str) -> str:
    """One table per scenario: medians, and the wall time as a multiple of the limit's."""
    text = [_machine(database), ""]
    for scenario in dict.fromkeys(run.scenario for run in runs):
        of_it = [run for run in runs if run.scenario == scenario]
        text += [_title(scenario, of_it), "", f"| {_HEAD} |", "|" + "---|" * (_HEAD.count("|") + 1)]
        limit = [run for run in of_it if run.tool == LIMIT]
        for tool in dict.fromkeys(run.tool for run in of_it):
            text.append(_row(tool, [run for run in of_it if run.tool == tool], _ratio(of_it, tool) if limit else "-"))
        text.append("")
    return "\n".join(text)


def write(text: str) -> None:
    """Replace what stands between the two marks of the document."""
    old = DOCUMENT.read_text()
    DOCUMENT.write_text(re.sub(f"{BEGIN}.*{END}", lambda _: f"{BEGIN}\n\n{text}\n{END}", old, flags=re.DOTALL))


def _title(scenario: str, runs: Sequence[Run]) -> str:
    hosts, _, round_trip = scenario.removeprefix("n").partition("-")
    link = f"{round_trip.removesuffix('ms')} ms round trip" if round_trip else "no delay"
    loads = [run.load for run in runs]
    rounds = min(sum(run.tool == tool for run in runs) for tool in {run.tool for run in runs})
    load = f"load average {min(loads):.1f} to {max(loads):.1f}"
    return f"**{hosts} hosts, {link}** ({rounds} runs each, interleaved; {load})"


def _row(tool: str, runs: Sequence[Run], ratio: str) -> str:
    def median(field: str) -> float:
        return statistics.median(float(getattr(run, field)) for run in runs)

    cells = [
        _NAMES.get(tool, tool),
        f"{median('wall'):.2f}",
        ratio,
        f"{median('control_cpu') * 1000:.1f}",
        f"{median('host_cpu') * 1000:.0f}",
        f"{max(run.memory for run in runs):.0f}",
        f"{median('skew'):.0f}",
        f"{median('connections'):.2f}",
        f"{median('programs'):.2f}",
    ]
    return f"| {' | '.join(cells)} |"


def _ratio(runs: Sequence[Run], tool: str) -> str:
    """The median over the rounds of this tool's time against the limit's in the same round."""
    own = [run.wall for run in runs if run.tool == tool]
    limit = [run.wall for run in runs if run.tool == LIMIT]
    return f"{statistics.median(mine / least for mine, least in zip(own, limit, strict=False)):.2f}"


def _machine(database: str) -> str:
    said = [
        f"Measured on {time.strftime('%Y-%m-%d')}: {platform.system()} {platform.release()}, {os.cpu_count()} CPUs"
        f" ({_processor()}), {_memory_gb()} GB; Python {platform.python_version()}, paramiko {version('paramiko')},"
        f" Fabric {version('fabric')}, {_first_line('ssh', '-V')}, {_first_line('cap', '--version')},"
        f" {_first_line('git', '--version')}; the Deployer at {_first_line('git', 'rev-parse', '--short', 'HEAD')}"
        f" with {'PostgreSQL' if database else 'SQLite'}, one web process and two workers."
    ]
    return " ".join(said)


def _processor() -> str:
    found = re.search(r"model name\s*: (.*)", Path("/proc/cpuinfo").read_text())
    return found[1] if found else platform.machine()


def _memory_gb() -> int:
    return round(os.sysconf("SC_PAGESIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30)


def _first_line(*command: str) -> str:
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=DOCUMENT.parent)
    except (OSError, subprocess.CalledProcessError):
        return f"no {command[0]}"
    return (done.stdout + done.stderr).strip().splitlines()[0]
