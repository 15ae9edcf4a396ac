"""Run every tool in turn, again and again, and note what each run cost: `make bench-peers`.

The repetition is the outer loop, so that whatever else the machine does meets all tools alike.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent.parent))

from benchmarks.peers import accounting, fleet, network, product, report, repository, tools, verify
from benchmarks.peers.accounting import Group
from benchmarks.peers.delay import slow_links
from benchmarks.peers.fleet import Fleet
from benchmarks.peers.runs import Run
from benchmarks.peers.scenario import Scenario

DRIFT_SECONDS = 6.0  # soon after a deploy its hosts are asked what they run: that is over before the next tool begins
PAUSE_SECONDS = 1.2  # names of releases have a grain of one second
RUN_SECONDS = 900
TOOLS: dict[str, tools.Tool] = {"openssh": tools.openssh, "capistrano": tools.capistrano, "fabric": tools.fabric}
OURS = {"deployer": "archive", "deployer-git": "git", "deployer-warm": "archive"}
NEEDED_BY = {"capistrano": {"cap": "capistrano"}}


@dataclass(frozen=True)
class Bench:
    """What all runs share."""

    fleet: Fleet
    repository: repository.Repository
    control: Group
    hosts: Group
    product: product.Product

    def measure(self, scenario: Scenario, tool: str, deploy: Callable[[str], float]) -> Run:
        """One run with a fresh commit, and a look at every host. Ends everything when one is not as it must be."""
        time.sleep(PAUSE_SECONDS)
        revision = self.repository.commit()
        group = self.product.group if tool in OURS else self.control
        sizes, control, hosts = self.fleet.log_sizes(), group.cpu, self.hosts.cpu
        with accounting.peak_memory(group) as peak:
            wall = deploy(revision)
        control = group.cpu - control
        load = os.getloadavg()[0]
        time.sleep(0.3)  # what is still ending on the hosts counts too
        hosts = self.hosts.cpu - hosts
        connections, programs = self.fleet.connections_since(sizes, scenario.hosts)
        if tool in OURS:
            time.sleep(DRIFT_SECONDS)
        place = place_of(scenario, tool)
        wrong = verify.what_is_wrong(self.fleet, place, scenario.hosts, self.repository.files_of(revision))
        if wrong:
            raise SystemExit(
                f"{tool} left {len(wrong)} of {len(scenario.hosts)} hosts wrong: {next(iter(wrong.items()))}"
            )
        count = len(scenario.hosts)
        return Run(
            scenario=scenario.name,
            tool=tool,
            wall=wall,
            control_cpu=control / count,
            host_cpu=hosts / count,
            memory=peak.bytes / 2**20,
            skew=verify.skew(self.fleet, place, scenario.hosts),
            connections=connections / count,
            programs=programs / count,
            load=load,
            hosts=count,
        )

    def way(self, scenario: Scenario, tool: str) -> Callable[[str], float]:
        """How `tool` deploys a revision; its place is made on the hosts. Seconds that it took."""
        place = place_of(scenario, tool)
        self.fleet.make_place(place, scenario.hosts)
        if tool in OURS:
            target = self.product.make_target(scenario, place, tool, OURS[tool])

            def by_us(_: str) -> float:
                if tool != "deployer-warm":
                    self.fleet.drop_connections()
                    time.sleep(0.5)
                return self.product.deploy(target)

            return by_us
        return lambda revision: self._run(TOOLS[tool](scenario, place, revision))

    def _run(self, command: Sequence[str]) -> float:
        log = self.fleet.folder / "last.out"
        began = time.monotonic()
        with log.open("wb") as out:
            done = subprocess.run(
                self.control.enter(command),
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=out,
                timeout=RUN_SECONDS,
                check=False,
            )
        if done.returncode:
            raise SystemExit(f"{command[0]} ended with {done.returncode}: {log.read_text()[-2000:]}")
        return time.monotonic() - began

    def scenario(self, count: int, round_trip: float) -> Scenario:
        own = tuple(self.fleet.addresses[:count])
        reached = tuple(map(network.delayed, own)) if round_trip else own
        name = f"n{count}-{round(round_trip * 1000)}ms" if round_trip else f"n{count}"
        return Scenario(name, self.fleet, self.repository, own, reached, round_trip)

    def run_scenario(self, count: int, round_trip: float, chosen: Sequence[str], rounds: int) -> Iterator[Run]:
        """`rounds` measured runs of each tool, after one that lays the ground."""
        scenario = self.scenario(count, round_trip)
        with ExitStack() as stack:
            if round_trip:
                stack.enter_context(slow_links(scenario.hosts, round_trip))
            ways = {tool: self.way(scenario, tool) for tool in chosen}
            for turn in range(rounds + 1):
                for tool, way in ways.items():
                    run = self.measure(scenario, tool, way)
                    if turn:
                        yield run
        for tool in chosen:
            self.fleet.remove_place(place_of(scenario, tool))


def place_of(scenario: Scenario, tool: str) -> str:
    return f"{scenario.name}-{tool}"


@contextmanager
def bench(count: int, database: str) -> Iterator[Bench]:
    with (
        tempfile.TemporaryDirectory(prefix="deployer-peers-") as name,
        accounting.group("deployer-bench-control") as control,
        accounting.group("deployer-bench-hosts") as hosts,
        accounting.group("deployer-bench-ours") as ours,
    ):
        folder = Path(name)
        folder.chmod(0o755)
        made = repository.make_repository(folder / "git")
        with (
            fleet.running(folder / "fleet", hosts, count) as hosts_fleet,
            product.product(ours, folder / "git", database) as deployer,
        ):
            hosts_fleet.let_in(deployer.public_key)
            yield Bench(hosts_fleet, made, control, hosts, deployer)


def main() -> None:
    options = _read_options()
    runs = [Run(**json.loads(line)) for file in options.read for line in Path(file).read_text().splitlines()]
    runs = runs or _run_all(options)
    table = report.table(runs, options.database)
    print(table)
    if options.write:
        report.write(table)


def _run_all(options: argparse.Namespace) -> list[Run]:
    missing = fleet.what_is_missing({k: v for tool in options.tools for k, v in NEEDED_BY.get(tool, {}).items()})
    if missing:
        raise SystemExit(missing)
    wanted = [(count, 0.0) for count in options.n] + [(count, options.round_trip / 1000) for count in options.slow]
    runs: list[Run] = []
    with bench(max(count for count, _ in wanted), options.database) as ready:
        for count, round_trip in wanted:
            for run in ready.run_scenario(count, round_trip, options.tools, options.rounds):
                runs.append(run)
                print(report.line(run), flush=True)
                if options.raw:
                    with Path(options.raw).open("a") as file:
                        file.write(json.dumps(asdict(run)) + "\n")
    return runs


def _read_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="The Deployer beside other tools, on real SSH servers.")
    parser.add_argument("--n", type=_numbers, default=[100, 200], help="numbers of hosts, as 100,200")
    parser.add_argument("--slow", type=_numbers, default=[50], help="numbers of hosts behind a slow link; empty: none")
    parser.add_argument("--round-trip", type=float, default=20, help="of the slow link, in ms")
    parser.add_argument("--rounds", type=int, default=5, help="measured runs of each tool")
    parser.add_argument("--tools", type=lambda text: text.split(","), default=[*TOOLS, *OURS])
    parser.add_argument("--database", default="", help="DATABASE_URL; by default SQLite")
    parser.add_argument("--raw", default="", help="append every run to this file, one JSON object a line")
    parser.add_argument("--read", nargs="*", default=[], help="measure nothing: make the table from such files")
    parser.add_argument("--write", action="store_true", help="put the table into docs/performance.md")
    options = parser.parse_args()
    unknown = set(options.tools) - set(TOOLS) - set(OURS)
    if unknown:
        parser.error(f"There is no tool {', '.join(sorted(unknown))}. There are {', '.join([*TOOLS, *OURS])}.")
    return options


def _numbers(text: str) -> list[int]:
    return [int(word) for word in text.split(",") if word]


if __name__ == "__main__":
    main()
