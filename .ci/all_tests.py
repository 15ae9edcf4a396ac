"""`make test`: everything on SQLite, a selection on PostgreSQL beside it, then the browser in a process of its own.

Most tests wait for hosts, so that the first two together take little longer than the first alone.
"""

import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import IO

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from tests.postgresql import PostgreSQL  # noqa: E402

EXCEPT_BROWSER = ("--ignore=tests/browser", "-m")


def begin(*arguments: str, database: str = "", output: IO[bytes] | None = None) -> subprocess.Popen[bytes]:
    """pytest in a process of its own; it prints its own closing lines."""
    environment = {**os.environ, "TEST_DATABASE_URL": database}
    # An import above has set it to the real settings, which tests must not have.
    environment.pop("DJANGO_SETTINGS_MODULE", None)
    command = [sys.executable, "-m", "pytest", "--quiet", "--no-header", *arguments]
    return subprocess.Popen(command, cwd=ROOT, env=environment, stdout=output, stderr=output and subprocess.STDOUT)


def say(title: str) -> None:
    print(f"\n== {title}", flush=True)


def main() -> int:
    chosen = sys.argv[1:]
    codes: list[int] = []
    with tempfile.TemporaryDirectory(prefix="deployer-pg-") as folder, tempfile.TemporaryFile() as printed:
        server = PostgreSQL(Path(folder))
        try:
            url = server.start()
            postgresql = begin(*EXCEPT_BROWSER, "both_databases", *chosen, database=url, output=printed)
            say("SQLite")
            codes.append(begin(*EXCEPT_BROWSER, "not browser", *chosen).wait())
            say("PostgreSQL")
            codes.append(postgresql.wait())
            printed.seek(0)
            print(printed.read().decode("utf-8", "replace"), flush=True)
        finally:
            server.stop()
    say("Browser")
    codes.append(begin("tests/browser", *chosen).wait())
    return 1 if any(codes) else 0


if __name__ == "__main__":
    sys.exit(main())
