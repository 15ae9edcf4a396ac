"""The real web process on the database of the tests, and clients that speak to it over the network."""

import os
import signal
import socket
import subprocess
from pathlib import Path
from urllib.parse import quote

from django.conf import settings
from django.db import connection

from deployer_site.programs import web
from tests.ports import free_port as free_port
from tests.processes import Processes


def database_url() -> str:
    """Of the database that this test uses, for another process."""
    facts = connection.settings_dict
    if connection.vendor == "sqlite":
        return f"sqlite://{facts['NAME']}"
    return f"postgresql://{facts['USER']}@/{facts['NAME']}?host={quote(str(facts['HOST']), safe='')}"


class Web:
    """The web process on a free port, or on the one that is given."""

    def __init__(self, processes: Processes, port: int = 0) -> None:
        self.port = port or free_port()
        environment = {
            **os.environ,
            "DJANGO_SETTINGS_MODULE": "deployer_site.settings",
            "VAR": str(settings.VAR),
            "DATABASE_URL": database_url(),
            "REDIS_URL": settings.REDIS_URL,
            "PORT": str(self.port),
            "DEMO": "0",
        }
        self.process = processes.start(web().command, env=environment)

    @property
    def answering(self) -> int:
        """The process that answers: a copy of the one that was started, or that one itself."""
        said = subprocess.run(
            ["pgrep", "-P", str(self.process.pid)], capture_output=True, text=True, check=False
        ).stdout.split()
        return int(said[0]) if said else self.process.pid

    def answers(self) -> bool:
        assert self.process.poll() is None, "The web process has ended."
        with socket.socket() as sock:
            return sock.connect_ex(("127.0.0.1", self.port)) == 0

    def address(self, path: str) -> str:
        return f"ws://127.0.0.1:{self.port}{path}"

    def resident(self) -> int:
        """Bytes of memory that the process holds."""
        said = subprocess.run(
            ["ps", "-o", "rss=", "-p", str(self.answering)], capture_output=True, text=True, check=True
        )
        return int(said.stdout) * 1024

    def processor_seconds(self) -> float:
        """What the answering process has used so far."""
        facts = Path(f"/proc/{self.answering}/stat").read_text().rpartition(")")[2].split()
        return (int(facts[11]) + int(facts[12])) / os.sysconf("SC_CLK_TCK")

    def kill(self) -> None:
        """All of it, at once."""
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()

    def stop(self) -> None:
        self.process.terminate()
        self.process.wait(60)
