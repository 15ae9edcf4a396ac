"""`make chaos`: what it must survive, row by row, on SQLite and on PostgreSQL. Takes hours, and root for some rows.

CHAOS_ROW=r01 chooses rows by their name, CHAOS_RUNS says how often each fault is made (by default as often as its row
wants), CHAOS_SEED repeats what was random, CHAOS_DATABASE=sqlite or postgresql takes one database only.
"""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from tests.postgresql import PostgreSQL  # noqa: E402

ROWS = ("tests/chaos", "-o", "python_files=row_*.py", "-s", "--no-header")
NOTHING_CHOSEN = 5


def run(*arguments: str, database: str = "") -> int:
    """pytest's exit code; a choice that has no row for this database is no failure."""
    environment = {**os.environ, "TEST_DATABASE_URL": database}
    # An import above has set it to the real settings, which tests must not have.
    environment.pop("DJANGO_SETTINGS_MODULE", None)
    command = [sys.executable, "-m", "pytest", *ROWS, *arguments]
    code = subprocess.run(command, cwd=ROOT, env=environment, check=False).returncode
    return 0 if code == NOTHING_CHOSEN else code


def main() -> int:
    row, database = os.environ.get("CHAOS_ROW", "").lower(), os.environ.get("CHAOS_DATABASE", "")
    chosen = ("-k", row) if row else ()
    codes = [0 if database == "postgresql" else run(*chosen)]
    if database != "sqlite":
        with tempfile.TemporaryDirectory(prefix="deployer-pg-") as folder:
            server = PostgreSQL(Path(folder), durable=True)
            try:
                codes.append(run("-m", "both_databases", *chosen, database=server.start()))
            finally:
                server.stop()
    return 1 if any(codes) else 0


if __name__ == "__main__":
    sys.exit(main())
