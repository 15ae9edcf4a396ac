"""`make test`: everything on SQLite and a selection on PostgreSQL, side by side; then the browser by itself.

Most tests wait for hosts, so that several processes together take little longer than the slowest alone. The folder with
the most of them is two groups: a new file in it belongs to the second by itself.
"""

import os
import subprocess
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import IO

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from tests.postgresql import PostgreSQL  # noqa: E402

HOSTS = "tests/deployments/host_program"
EXCEPT_BROWSER = ("--ignore=tests/browser", "-m", "not browser")
# whole processes, hangs and deaths: about half of what that folder takes
LONG = tuple(
    f"tests/deployments/{name}"
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
GROUPS = {
    "SQLite: workers, links and the demo": (*LONG, *EXCEPT_BROWSER),
    "SQLite: deployments": (
        "tests/deployments",
        *(f"--ignore={path}" for path in (HOSTS, *LONG)),
        *EXCEPT_BROWSER,
    ),
    "SQLite: programs on hosts": (HOSTS, *EXCEPT_BROWSER),
    "SQLite: everything else": ("tests", "--ignore=tests/deployments", *EXCEPT_BROWSER),
}
ON_POSTGRESQL = ("--ignore=tests/browser", "-m", "both_databases")


def begin(*arguments: str, database: str = "", output: IO[bytes] | None = None) -> subprocess.Popen[bytes]:
    """pytest in a process of its own; it prints its own closing lines."""
    environment = {**os.environ, "TEST_DATABASE_URL": database}
    # An import above has set it to the real settings, which tests must not have.
    environment.pop("DJANGO_SETTINGS_MODULE", None)
    command = [sys.executable, "-m", "pytest", "--quiet", "--no-header", *arguments]
    return subprocess.Popen(command, cwd=ROOT, env=environment, stdout=output, stderr=output and subprocess.STDOUT)


def say(title: str) -> None:
    print(f"\n== {title}", flush=True)


def run_together(groups: dict[str, tuple[str, ...]], urls: dict[str, str]) -> list[int]:
    """Run them all at once and print what each has said, one after the other; their exit codes."""
    with ExitStack() as stack:
        outputs = {title: stack.enter_context(tempfile.TemporaryFile()) for title in groups}
        started = {
            title: begin(*arguments, database=urls.get(title, ""), output=outputs[title])
            for title, arguments in groups.items()
        }
        codes = []
        for title, process in started.items():
            say(title)
            codes.append(process.wait())
            outputs[title].seek(0)
            print(outputs[title].read().decode("utf-8", "replace"), flush=True)
    return codes


def main() -> int:
    chosen = tuple(sys.argv[1:])
    groups = {"SQLite": (*EXCEPT_BROWSER, *chosen)} if chosen else GROUPS
    with tempfile.TemporaryDirectory(prefix="deployer-pg-") as folder:
        server = PostgreSQL(Path(folder))
        try:
            everything = groups | {"PostgreSQL": (*ON_POSTGRESQL, *chosen)}
            codes = run_together(everything, {"PostgreSQL": server.start()})
        finally:
            server.stop()
    say("Browser")
    codes.append(begin("tests/browser", *chosen).wait())
    return 1 if any(codes) else 0


if __name__ == "__main__":
    sys.exit(main())
