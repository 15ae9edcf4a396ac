"""`make test`: everything on SQLite, a selection on PostgreSQL, and the browser, side by side.

Many tests wait for hosts, processes or pages, so that several pytest processes together take little longer than the
processor needs. Each group is one. A new file needs no entry here: it belongs to the group of its folder's rest.
"""

import compileall
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from tests.postgresql import PostgreSQL  # noqa: E402

BROWSER, DEPLOYMENTS, HOSTS = "tests/browser", "tests/deployments", "tests/deployments/host_program"
EXCEPT_BROWSER = (f"--ignore={BROWSER}", "-m", "not browser")
# whole processes, hangs and deaths: about half of what that folder takes
LONG = tuple(
    f"{DEPLOYMENTS}/{name}"
    for name in (
        "capistrano",
        "test_adoption.py",
        "test_cancel.py",
        "test_demo.py",
        "test_drift.py",
        "test_fault_links.py",
        "test_live_log.py",
        "test_state_machine.py",
    )
)
# on an installation of their own, or on pages that many deploys go over
STORIES = tuple(f"{BROWSER}/{name}" for name in ("test_first_minutes.py", "test_frame.py", "test_log.py"))


def without(*paths: str) -> tuple[str, ...]:
    return tuple(f"--ignore={path}" for path in paths)


def those_with(mark: str) -> tuple[str, ...]:
    """The files that speak of it: to read all others takes longer than many of their tests."""
    paths = (path for path in (ROOT / "tests").rglob("test_*.py") if mark in path.read_text(encoding="utf-8"))
    return tuple(sorted(str(path.relative_to(ROOT)) for path in paths))


def compile_once() -> None:
    """Each of dozens of processes would else compile the same files, as long as no other has done it."""
    for package in ("deployer_site", "deployments", "environments", "notifications"):
        compileall.compile_dir(ROOT / package, quiet=1)


GROUPS = {
    "Browser: pages and deploys": (BROWSER, *without(*STORIES)),
    "Browser: stories": STORIES,
    "SQLite: workers, links and the demo": (*LONG, *EXCEPT_BROWSER),
    "SQLite: deployments": (DEPLOYMENTS, *without(HOSTS, *LONG), *EXCEPT_BROWSER),
    "SQLite: programs on hosts": (HOSTS, *EXCEPT_BROWSER),
    "SQLite: everything else": ("tests", *without(DEPLOYMENTS), *EXCEPT_BROWSER),
    "PostgreSQL": (*those_with("both_databases"), "-m", "both_databases and not browser"),
}


@dataclass(frozen=True)
class Ran:
    """How a group of tests ended. `processor`: seconds of it that were used, by all processes that it started."""

    title: str
    code: int
    output: str
    seconds: float
    processor: float

    @property
    def summary(self) -> str:
        """pytest's own: what failed, and how many did not."""
        return self.output.rpartition("short test summary info")[2].partition("\n")[2].strip() or self.last

    @property
    def last(self) -> str:
        return self.output.strip().rpartition("\n")[2]


@contextmanager
def postgresql() -> Iterator[str]:
    with tempfile.TemporaryDirectory(prefix="deployer-pg-") as folder:
        server = PostgreSQL(Path(folder))
        try:
            yield server.start()
        finally:
            server.stop()


def run(title: str, arguments: tuple[str, ...], number: int) -> Ran:
    """pytest in a process of its own, to its end. `number` tells it from those that run beside it."""
    began = time.monotonic()
    # A folder of its own: in the one that all share, each at its end clears away what others have just left.
    files = tempfile.TemporaryDirectory(prefix="dt-", ignore_cleanup_errors=True)
    database = postgresql() if title == "PostgreSQL" else nullcontext("")
    with files as folder, database as url, tempfile.TemporaryFile() as output:
        command = [sys.executable, "-m", "pytest", "--quiet", "--no-header", f"--basetemp={folder}/t", *arguments]
        environment = {**os.environ, "TEST_DATABASE_URL": url, "TEST_PORTS": str(number)}
        # An import above has set it to the real settings, which tests must not have.
        environment.pop("DJANGO_SETTINGS_MODULE", None)
        process = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=output, stderr=subprocess.STDOUT)
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        output.seek(0)
        said = output.read().decode("utf-8", "replace")
    seconds = time.monotonic() - began
    return Ran(title, process.returncode, said, seconds, used.ru_utime + used.ru_stime)


def used_and_idle() -> tuple[float, float]:
    """Seconds of all processors of this machine since it began; of some systems nothing is known.

    What a group used is less: nobody waits for the processes of a browser, nor for those of its database.
    """
    file = Path("/proc/stat")
    if not file.exists():
        return 0.0, 0.0
    user, nice, system, idle, waiting, *_ = (int(word) for word in file.read_text().splitlines()[0].split()[1:])
    hertz = os.sysconf("SC_CLK_TCK")
    return (user + nice + system) / hertz, (idle + waiting) / hertz


def say(text: str) -> None:
    print(text, flush=True)


def main() -> int:
    chosen = tuple(sys.argv[1:])
    groups = GROUPS
    compile_once()
    used, idle = used_and_idle()
    if chosen:
        names = {
            "Browser": (BROWSER,),
            "SQLite": EXCEPT_BROWSER,
            "PostgreSQL": (*EXCEPT_BROWSER[:1], "-m", "both_databases"),
        }
        groups = {title: (*arguments, *chosen) for title, arguments in names.items()}
    ended: list[Ran] = []
    with ThreadPoolExecutor(len(groups)) as threads:
        begun = [threads.submit(run, *group, number) for number, group in enumerate(groups.items())]
        for future in as_completed(begun):
            ended.append(future.result())
            say(f"\n== {ended[-1].title}: {ended[-1].seconds:.0f} s\n{ended[-1].output.rstrip()}")
    well = {0, 5} if chosen else {0}  # 5: a group in which nothing was chosen
    say("\n== All of it")
    for group in ended:
        say(f"{group.seconds:5.0f} s, {group.processor:5.0f} s of a processor: {group.title}: {group.last}")
    now_used, now_idle = used_and_idle()
    say(f"This machine's processors, by all that ran: {now_used - used:.0f} s used, {now_idle - idle:.0f} s idle")
    for group in ended:
        if group.code not in well:
            say(f"\n== {group.title} failed ({group.code})\n{group.summary}")
    return 1 if any(group.code not in well for group in ended) else 0


if __name__ == "__main__":
    sys.exit(main())
