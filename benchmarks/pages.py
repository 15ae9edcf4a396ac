"""What pages cost the server at 200 applications in 8 environments, 1,000 hosts, 1,000,000 deploys, on PostgreSQL.

`.venv/bin/python -m benchmarks.pages [--deploys N] [--rounds N] [--keep FOLDER]`: makes that database by bulk inserts,
then asks for each page in one process (the whole of Django, without a network) and prints p50, p95 and queries, as the
table of docs/performance.md. With --keep the database stays in FOLDER, to be used again.
"""

import argparse
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.postgresql import PostgreSQL

ROOT = Path(__file__).resolve().parent.parent
DEPLOYS, ROUNDS = 1_000_000, 40


def measure(deploys: int, rounds: int, keep: str) -> None:
    """Print the table."""
    with tempfile.TemporaryDirectory(prefix="deployer-pages-") as scratch:
        folder = Path(keep or f"{scratch}/database")
        folder.mkdir(exist_ok=True)
        Path(scratch).chmod(0o755)
        server = PostgreSQL(folder)
        try:
            url = server.serve() if (folder / "data").exists() else server.start()
            environ = {**os.environ, "DATABASE_URL": url, "VAR": f"{scratch}/var", "DEMO": "0", "LOG_LEVEL": "ERROR"}
            environ["REPOSITORY_ROOTS"] = str(ROOT)
            for words in (
                ["migrate", "--verbosity", "0"],
                ["collectstatic", "--noinput", "--verbosity", "0"],
                ["shell", "-c", f"from benchmarks import page_costs; page_costs.main({deploys}, {rounds})"],
            ):
                subprocess.run([sys.executable, "manage.py", *words], cwd=ROOT, env=environ, check=True)
        finally:
            server.stop()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--deploys", type=int, default=DEPLOYS)
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--keep", default="", help="a folder in which the database stays")
    given = parser.parse_args()
    measure(given.deploys, given.rounds, given.keep)


if __name__ == "__main__":
    main()
