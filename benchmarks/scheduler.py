"""Planning and bookkeeping for thousands of simulated hosts: the real processes and code path, only SSH is left out."""

import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from benchmarks.installation import ROOT, Installation, _free_port, _wait_until_ready
from tests.postgresql import PostgreSQL

SIZES = (1000, 3000, 9000)
CURVE_HOSTS = 3000
CURVE_WORKERS = (1, 2, 3, 4)
_COUNT = "for n in range(30_000_000): pass"
_PAGE = """
import time
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from deployments.models import Deploy
from environments.models import User
client = Client(HTTP_HOST="localhost")
client.force_login(User.objects.get(username="bench"))
path = f"/deploys/{{Deploy.objects.filter(target__environment__name='fleet-{size}').first().pk}}"
client.get(path)
spent = []
for _ in range(5):
    began = time.process_time()
    with CaptureQueriesContext(connection) as queries:
        answer = client.get(path)
    assert answer.status_code == 200, (path, answer.status_code)
    spent.append(time.process_time() - began)
print("page", len(queries), sorted(spent)[2] * 1000, len(answer.content))
"""
_SETUP = """
from environments.models import Application, Environment, Host, Membership, Region, Step, Target, User, Zone
User.objects.create_user("bench", role="administrator", first_name="Bench")
application = Application.objects.create(name="shop", repository={repository!r}, distribution="archive")
zones = [
    Zone.objects.create(region=region, name=f"{{region.name}}-{{letter}}")
    for region in [Region.objects.create(name=name) for name in ("eu-west", "us-east", "ap-south")]
    for letter in "abc"
]
hosts = Host.objects.bulk_create(
    Host(name=f"host-{{n:05}}", address="192.0.2.1", zone=zones[n % 9]) for n in range({most})
)
for size in {sizes!r}:
    environment = Environment.objects.create(name=f"fleet-{{size}}")
    Membership.objects.bulk_create(Membership(environment=environment, host=host) for host in hosts[:size])
    target = Target.objects.create(
        application=application, environment=environment, root="/srv/shop", user="deploy", drift_minutes=0
    )
    Step.objects.create(target=target, name="build", command="true")
"""


@dataclass(frozen=True)
class Cost:
    """What one deploy took."""

    hosts: int
    seconds: float
    cpu: dict[str, float]  # seconds by kind of process

    @property
    def ms_per_host(self) -> float:
        return sum(self.cpu.values()) * 1000 / self.hosts


@contextmanager
def crowd(database: str, *, sizes: tuple[int, ...] = SIZES, seconds: float = 0, workers: int = 2) -> Iterator["Crowd"]:
    """A Deployer whose hosts are simulated; each program takes `seconds`."""
    with tempfile.TemporaryDirectory(prefix="deployer-crowd-") as name, _database(database) as url:
        folder = Path(name)
        port = _free_port()
        environ = {
            **os.environ,
            "VAR": str(folder / "var"),
            "PORT": str(port),
            "DEMO": "0",
            "WORKERS": str(workers),
            "REPOSITORY_ROOTS": str(folder),
            "DJANGO_SETTINGS_MODULE": "benchmarks.simulated_settings",
            "SIMULATED_SECONDS": str(seconds),
            "LOG_LEVEL": "WARNING",
            **({"DATABASE_URL": url} if url else {}),
        }
        environ.pop("PYTHONDONTWRITEBYTECODE", None)
        repository = _repository(folder / "shop")
        log = folder / "up.log"
        with log.open("w") as output:
            up = subprocess.Popen(
                [sys.executable, "manage.py", "up"], cwd=ROOT, env=environ, stdout=output, stderr=subprocess.STDOUT
            )
        try:
            _wait_until_ready(f"http://localhost:{port}", up, log)
            bare = Installation(f"http://localhost:{port}", folder / "var", environ, "")
            bare.manage("shell", "-c", _SETUP.format(repository=repository, sizes=sizes, most=max(sizes)))
            token = bare.manage("token", "bench").split()[-1]
            yield Crowd(Installation(bare.url, bare.var, environ, token), up.pid, log)
        finally:
            up.send_signal(signal.SIGINT)
            up.wait(60)


@dataclass(frozen=True)
class Crowd:
    """The running Deployer, and its processes."""

    deployer: Installation
    pid: int
    log: Path

    def deploy(self, size: int) -> Cost:
        """One deploy to so many hosts, from the request to its end."""
        before, began = self.cpu(), datetime.now(UTC)
        self.deployer.call("POST", f"/targets/shop/fleet-{size}/deploys", {"ref": "main"})
        while not (found := self._newest(size))["finished_at"]:
            time.sleep(0.5)
        # by its own word, not by when somebody asked
        seconds = (datetime.fromisoformat(found["finished_at"]) - began).total_seconds()
        if found["status"] != "succeeded":
            raise SystemExit(f"A deploy ended as {found['status']}: {found['reason']}\n{self.log.read_text()[-4000:]}")
        after = self.cpu()
        return Cost(size, seconds, {kind: after[kind] - before.get(kind, 0) for kind in after})

    def page(self, size: int) -> str:
        """What its Deploy page costs the server when the deploy is over."""
        said = self.deployer.manage("shell", "-c", _PAGE.format(size=size)).split()
        queries, ms, size_of = said[-3:]
        return f"{queries} queries, {float(ms):.0f} ms CPU, {int(size_of) // 1000} kB"

    def _newest(self, size: int) -> Any:
        """The deploy without its hosts: whoever waits shall not be what costs most."""
        return self.deployer.call("GET", f"/deploys?environment=fleet-{size}")["items"][0]

    def cpu(self) -> dict[str, float]:
        """Seconds of all processes since they began, by kind."""
        used: dict[str, float] = {}
        for pid in _family(self.pid):
            try:
                words = Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2].split()
                line = Path(f"/proc/{pid}/cmdline").read_bytes().decode().replace("\0", " ")
            except OSError:
                continue  # it has just ended
            kinds = ("valkey", "web_process", " worker ", " beat ")
            kind = next((kind.strip() for kind in kinds if kind in line), "supervisor")
            used[kind] = used.get(kind, 0) + (int(words[11]) + int(words[12])) / os.sysconf("SC_CLK_TCK")
        return used


def _family(root: int) -> list[int]:
    """The process and all that descend from it."""
    parents: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                parent = int((entry / "stat").read_text().rpartition(") ")[2].split()[1])
            except OSError:
                continue
            parents.setdefault(parent, []).append(int(entry.name))
    family = [root]
    for pid in family:
        family += parents.get(pid, [])
    return family


def _repository(folder: Path) -> str:
    folder.mkdir()
    who = ["-c", "user.name=Bench", "-c", "user.email=bench@example.com"]
    (folder / "index.html").write_text("<h1>one</h1>\n")
    for words in (["init", "--quiet", "--initial-branch=main"], ["add", "--all"], ["commit", "--quiet", "-m", "One"]):
        subprocess.run(["git", *who, *words], cwd=folder, check=True)
    return f"file://{folder}"


@contextmanager
def _database(kind: str) -> Iterator[str]:
    if kind == "sqlite":
        yield ""
        return
    with tempfile.TemporaryDirectory(prefix="deployer-crowd-pg-") as folder:
        server = PostgreSQL(Path(folder))
        try:
            yield server.start()
        finally:
            server.stop()


def measure() -> dict[str, Any]:
    """CPU per host of all our processes (not of the PostgreSQL server) by size, and how more workers help."""
    figures: dict[str, Any] = {"processors": os.cpu_count()}
    for database in ("sqlite", "postgresql"):
        with crowd(database) as deployer:
            costs = {size: deployer.deploy(size) for size in SIZES}
            figures[f"{database}_deploy_page_{SIZES[-1]}_hosts"] = deployer.page(SIZES[-1])
        for size, cost in costs.items():
            figures[f"{database}_{size}_hosts"] = f"{cost.ms_per_host:.2f} ms CPU per host, {cost.seconds:.0f} s"
        growth = costs[SIZES[-1]].ms_per_host / costs[SIZES[0]].ms_per_host
        figures[f"{database}_growth"] = f"{growth:.2f} times per host from {SIZES[0]} to {SIZES[-1]} hosts"
        figures |= _curve(database)
    return figures


def _curve(database: str) -> dict[str, Any]:
    """How much faster more workers are when each program takes 50 ms."""
    seconds, bare = {}, {}
    for workers in CURVE_WORKERS:
        bare[workers] = counting(workers)
        with crowd(database, sizes=(CURVE_HOSTS,), seconds=0.05, workers=workers) as deployer:
            seconds[workers] = deployer.deploy(CURVE_HOSTS).seconds
    return {
        f"{database}_{workers}_workers": f"{seconds[1] / took:.2f} times as fast, {took:.1f} s for {CURVE_HOSTS} hosts"
        f"; as many processes that only count get {workers * bare[1] / bare[workers]:.2f} times as much done as one"
        for workers, took in seconds.items()
    }


def counting(processes: int) -> float:
    """Seconds that so many processes take, each of which only counts: what this machine gives at most."""
    began = time.monotonic()
    started = [subprocess.Popen([sys.executable, "-c", _COUNT]) for _ in range(processes)]
    for process in started:
        process.wait()
    return time.monotonic() - began


def main() -> None:
    """One row per deploy: `python -m benchmarks.scheduler sqlite 1000,3000 0.05 2`."""
    database, sizes = sys.argv[1], tuple(int(word) for word in sys.argv[2].split(","))
    seconds, workers = float(sys.argv[3]), int(sys.argv[4])
    with crowd(database, sizes=tuple(sorted(set(sizes))), seconds=seconds, workers=workers) as deployer:
        for size in sizes:
            cost = deployer.deploy(size)
            used = ", ".join(f"{kind} {spent * 1000 / size:.2f}" for kind, spent in cost.cpu.items())
            print(
                f"| {database} | {size} | {workers} | {cost.seconds:.1f} | {cost.ms_per_host:.2f} | {used} |",
                flush=True,
            )
        print(f"Deploy page of {sizes[-1]} hosts: {deployer.page(sizes[-1])}; {os.cpu_count()} processors")


if __name__ == "__main__":
    main()
