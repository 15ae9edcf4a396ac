"""R26, R29: a million lines, one line of 50 MB, and bytes of every kind: nothing is lost, and memory stays bounded."""

import hashlib
import os
import subprocess
import threading
import time
from pathlib import Path

import pytest

from deployments import log
from deployments.models import Deploy
from deployments.spool import LONGEST_LINE, decode
from tests.chaos.cluster import Cluster, await_ends, over, runs_of
from tests.deployments.conftest import MakeFleetTarget
from tests.deployments.ended import request
from tests.deployments.fleet import Driver, step

LINES, LONG = 1_000_000, 50 * 1024 * 1024
LEAST_LINES_PER_SECOND = 5000
MORE_MEMORY_MB = 150

pytestmark = [pytest.mark.django_db(transaction=True)]


class _Memory(threading.Thread):
    """The most that a process has held, in MB."""

    def __init__(self, pid: int) -> None:
        super().__init__(daemon=True)
        self._pid, self.over = pid, threading.Event()
        self.first = self.most = self._now()

    def _now(self) -> float:
        said = subprocess.run(["ps", "-o", "rss=", "-p", str(self._pid)], capture_output=True, text=True, check=True)
        return int(said.stdout) / 1024

    def run(self) -> None:
        while not self.over.wait(0.2):
            self.most = max(self.most, self._now())


def test_r26_a_flood(cluster: Cluster) -> None:
    lines = LINES * runs_of(100) // 100
    flood = f'[ "$DEPLOYER_REF" = v1 ] || seq -f "%.0f {"x" * 92}" 1 {lines}'
    (place,) = cluster.places(1, hosts=1, steps=[step("flood", flood, time_limit=1800)])
    (worker,) = cluster.start(1)
    await_ends([request(place, "v1")], 120)
    memory = _Memory(worker.pid)
    memory.start()
    began = time.monotonic()
    deploy = request(place)
    await_ends([deploy], 1800)
    took = time.monotonic() - began
    memory.over.set()
    _check_numbers(deploy, lines)
    more = memory.most - memory.first
    size = lines * 100 // 2**20
    print(f"R26: {lines} lines ({size} MB), 0 lost or twice, {lines / took:.0f} lines/s, worker +{more:.0f} MB")
    assert more < MORE_MEMORY_MB
    assert lines / took >= LEAST_LINES_PER_SECOND


def _check_numbers(deploy: Deploy, lines: int) -> None:
    assert deploy.status == "succeeded"
    expected = 0
    for line in log.read_all(deploy.pk):
        if line.stream == "stdout":
            expected += 1
            assert line.text.startswith(f"{expected} x"), f"{line.n}: {line.text[:40]!r}, {expected} was due"
    assert expected == lines
    assert log.digest(deploy.pk) == (deploy.lines, deploy.log_sha256)


def test_r26_one_line_of_50_mb(cluster: Cluster) -> None:
    long = f"[ \"$DEPLOYER_REF\" = v1 ] || {{ echo first; head -c {LONG} /dev/zero | tr '\\0' y; echo; echo last; }}"
    (place,) = cluster.places(1, hosts=1, steps=[step("long", long, time_limit=1800)])
    (worker,) = cluster.start(1)
    await_ends([request(place, "v1")], 120)
    memory = _Memory(worker.pid)
    memory.start()
    deploy = request(place)
    await_ends([deploy], 600)
    memory.over.set()
    said = [line.text for line in log.read_all(deploy.pk) if line.stream == "stdout"]
    assert (said[0], said[-1], len(said)) == ("first", "last", 3)
    assert said[1] == "y" * LONGEST_LINE + f" … [line cut after 64 KB: {LONG - LONGEST_LINE} more bytes]"
    print(f"R26: one line of 50 MB, cut after 64 KB and marked so; worker +{memory.most - memory.first:.0f} MB")
    assert memory.most - memory.first < MORE_MEMORY_MB
    assert over(deploy)


def test_r29_bytes_of_every_kind(make_fleet_target: MakeFleetTarget, driver: Driver, tmp_path: Path) -> None:
    corpus = tmp_path / "corpus"
    kinds = [
        bytes(range(256)),
        b"\x1b[31mred\x1b[0m\x1b]8;;javascript:x\x07",
        b"10%\r20%\r30%\r\n",
        b"\xff\xfe\xc3(",
        "é😀\u202e".encode(),
    ]
    corpus.write_bytes(b"\n".join([*kinds, *(os.urandom(400) for _ in range(runs_of(500)))]) + b"\n")
    place = make_fleet_target(hosts=1, steps=[step("print", f"cat {corpus}")])
    deploy = driver.run_to_end(request(place))
    said = [line.text for line in log.read_all(deploy.pk) if line.stream == "stdout"]
    expected = [decode(line.removesuffix(b"\r")) for line in corpus.read_bytes().split(b"\n")[:-1]]
    assert said == expected
    assert hashlib.sha256("\n".join(said).encode()).digest() == hashlib.sha256("\n".join(expected).encode()).digest()
    print(f"R29: {len(said)} lines of any bytes are stored as they are, what is not UTF-8 as \\xNN")
