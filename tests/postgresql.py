"""A private PostgreSQL: a folder, a socket in it, no network, nothing kept."""

import os
import pwd
import shutil
import subprocess
import time
from pathlib import Path
from urllib.parse import quote

import psycopg

from tests.processes import Processes

START_SECONDS = 90.0
PLACES = ("/usr/lib/postgresql/*/bin", "/opt/homebrew/opt/postgresql*/bin", "/usr/local/opt/postgresql*/bin")
# Nothing of these tests must outlive a power cut.
# and plans do not depend on what earlier tests have left in the statistics
FAST = ("fsync=off", "synchronous_commit=off", "full_page_writes=off", "autovacuum=off")


def find_program(name: str) -> str:
    """The newest installed program of PostgreSQL called `name`."""
    found = shutil.which(name)
    if found:
        return found
    places = [path for place in PLACES for path in Path("/").glob(f"{place.lstrip('/')}/{name}")]
    if not places:
        raise FileNotFoundError(f"PostgreSQL's {name} is not installed. Install postgresql.")
    return str(max(places, key=lambda path: (len(path.parts[-3]), path.parts[-3])))


class PostgreSQL:
    """`durable`: what it has committed outlives its own death, as tests want that kill it."""

    def __init__(self, folder: Path, *, durable: bool = False) -> None:
        self._folder = folder
        self._durable = durable
        self._processes = Processes()
        # The server refuses to run as root.
        self._user = "postgres" if os.getuid() == 0 else pwd.getpwuid(os.getuid()).pw_name

    def _as_user(self, *command: str) -> list[str]:
        if os.getuid() != 0:
            return list(command)
        return ["setpriv", f"--reuid={self._user}", f"--regid={self._user}", "--init-groups", *command]

    def start(self) -> str:
        """The address of an empty database, once the server answers."""
        if os.getuid() == 0:
            shutil.chown(self._folder, self._user)
        data = self._folder / "data"
        initdb = [find_program("initdb"), "-D", str(data), "-U", "tests", "-A", "trust", "-E", "UTF8", "--no-sync"]
        subprocess.run(self._as_user(*initdb, "--locale=C"), check=True, stdout=subprocess.DEVNULL, cwd="/")
        return self.serve()

    def serve(self) -> str:
        """Run the server on the folder as it is."""
        fast = FAST[:1] if self._durable else FAST
        options = [f"-c{option}" for option in (*fast, "listen_addresses=", f"unix_socket_directories={self._folder}")]
        options += ["-cmax_connections=400", "-clog_min_messages=fatal", "-clog_min_error_statement=panic"]
        data = self._folder / "data"
        self._processes.start(self._as_user(find_program("postgres"), "-D", str(data), *options))
        url = f"postgresql://tests@/postgres?host={quote(str(self._folder), safe='')}"
        self._wait(url)
        return url

    def _wait(self, url: str) -> None:
        deadline = time.monotonic() + START_SECONDS
        while True:
            try:
                psycopg.connect(url).close()
            except psycopg.OperationalError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.05)
            else:
                return

    def stop(self) -> None:
        self._processes.stop()
