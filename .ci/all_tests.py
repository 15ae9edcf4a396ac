"""`make test`: everything on SQLite, the browser in a process of its own, then a selection on PostgreSQL."""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from tests.postgresql import PostgreSQL  # noqa: E402


def run(title: str, *arguments: str, database: str = "") -> bool:
    """Whether pytest passed; it prints its own closing lines."""
    print(f"\n== {title}", flush=True)
    environment = {**os.environ, "TEST_DATABASE_URL": database}
    command = [sys.executable, "-m", "pytest", "--quiet", "--no-header", *arguments]
    return subprocess.run(command, cwd=ROOT, env=environment, check=False).returncode == 0


def main() -> int:
    chosen = sys.argv[1:]
    passed = [run("SQLite", "--ignore=tests/browser", "-m", "not browser", *chosen)]
    passed.append(run("Browser", "tests/browser", *chosen))
    with tempfile.TemporaryDirectory(prefix="deployer-pg-") as folder:
        server = PostgreSQL(Path(folder))
        try:
            url = server.start()
            passed.append(run("PostgreSQL", "--ignore=tests/browser", "-m", "both_databases", *chosen, database=url))
        finally:
            server.stop()
    return 0 if all(passed) else 1


if __name__ == "__main__":
    sys.exit(main())
