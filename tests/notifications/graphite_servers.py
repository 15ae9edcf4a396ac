"""Real servers that metrics go to: StatsD on Node, and Carbon behind it, which keeps them in files."""

import json
import re
import shutil
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

from tests.ports import free_port
from tests.processes import Processes

STATSD = Path(__file__).parents[1] / "vendor" / "statsd" / "stats.js"
_CARBON = """
[cache]
STORAGE_DIR = {folder}
LOCAL_DATA_DIR = {folder}/whisper
CONF_DIR = {folder}
LOG_DIR = {folder}/log
PID_DIR = {folder}
USER =
LINE_RECEIVER_INTERFACE = 127.0.0.1
LINE_RECEIVER_PORT = {line}
PICKLE_RECEIVER_INTERFACE = 127.0.0.1
PICKLE_RECEIVER_PORT = {pickle}
CACHE_QUERY_INTERFACE = 127.0.0.1
CACHE_QUERY_PORT = {query}
ENABLE_TAGS = False
MAX_CREATES_PER_MINUTE = inf
MAX_UPDATES_PER_SECOND = inf
"""
_EVERY_SECOND = "[all]\npattern = .*\nretentions = 1s:10m\n"


@dataclass(frozen=True)
class Graphite:
    """`place`: where StatsD listens."""

    place: tuple[str, int]
    folder: Path

    def values(self, name: str) -> list[float]:
        """What Carbon has kept under this name, one value for each second that has one."""
        file = self.folder / "whisper" / f"{name.replace('.', '/')}.wsp"
        if not file.exists():
            return []
        words = ["whisper-fetch", f"--from={int(time.time()) - 300}", str(file)]
        done = subprocess.run(words, capture_output=True, text=True, check=True)
        return [float(value) for value in re.findall(r"^\d+\s+([\d.]+)$", done.stdout, re.MULTILINE)]


def start(processes: Processes, folder: Path) -> Graphite:
    line, listens = free_port(), free_port()
    (folder / "carbon.conf").write_text(_CARBON.format(folder=folder, line=line, pickle=free_port(), query=free_port()))
    (folder / "storage-schemas.conf").write_text(_EVERY_SECOND)
    carbon = shutil.which("carbon-cache")
    node = shutil.which("node") or shutil.which("nodejs")
    assert carbon, "Carbon is not installed; .ci/system-packages names it."
    assert node, "Node is not installed; .ci/system-packages names it."
    processes.start([carbon, f"--config={folder}/carbon.conf", "--nodaemon", "start"])
    settings = {
        "port": listens,
        "address": "127.0.0.1",
        "mgmt_port": free_port(),
        "mgmt_address": "127.0.0.1",
        "graphiteHost": "127.0.0.1",
        "graphitePort": line,
        "graphite": {"legacyNamespace": False},
        "backends": ["./backends/graphite"],
        "flushInterval": 500,
        "deleteIdleStats": True,
    }
    (folder / "statsd.js").write_text(json.dumps(settings))
    processes.start([node, str(STATSD), str(folder / "statsd.js")])
    return Graphite(("127.0.0.1", listens), folder)
