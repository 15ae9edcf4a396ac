"""A worker that writes a log, and the check that a reader got all of it."""

import hashlib
import threading
import time
from typing import Any

from django.db import connection

from deployments import claims, lifecycle, log
from deployments.log import Piece
from deployments.models import Deploy, HostRun, Program
from deployments.models.logs import Stream
from deployments.recorder import Recorder
from deployments.states import DeployStatus, RunStatus
from tests.builders import make_deploy, make_run, make_target, make_token, make_user


class Writer(threading.Thread):
    """A worker that stores the lines of two hosts, then ends the deploy."""

    def __init__(self, count: int) -> None:
        super().__init__(name="writer")
        self.count = count
        worker = claims.register()
        self.deploy: Deploy = make_deploy(target=make_target(), status=DeployStatus.RUNNING)
        self.runs: list[HostRun] = [
            make_run(deploy=self.deploy, status=RunStatus.PREPARING, claimed_by=worker, fence=fence) for fence in (1, 2)
        ]
        self.programs = [Program.objects.create(run=run, phase="prepare", nonce=str(run.pk)) for run in self.runs]
        self.token = make_token(user=make_user(role="viewer"))
        self.rest = 0.0  # seconds between pieces of 40 lines
        self.paused = threading.Event()
        self.paused.set()
        self.failure: BaseException | None = None

    def run(self) -> None:
        try:
            self._write()
            lifecycle.end(self.deploy, DeployStatus.SUCCEEDED, "All is well.")
        except BaseException as failure:
            self.failure = failure
            raise
        finally:
            connection.close()

    def _write(self) -> None:
        recorder = Recorder(self.deploy.pk)
        offsets = [0, 0]
        for program in self.programs:
            recorder.begin(program, 0)
        written = 0
        while written < self.count:
            self.paused.wait(30)
            if self.rest:
                time.sleep(self.rest)
            which = written // 40 % 2
            texts = [f"\x1b[32mline {n} of the log ü\x1b[0m" for n in range(written, min(written + 40, self.count))]
            written += len(texts)
            offsets[which] += sum(len(text.encode()) + 1 for text in texts)
            piece = Piece(self.runs[which], self.programs[which], Stream.OUTPUT, texts, offsets[which])
            recorder.add(piece)
        for run in self.runs:
            recorder.flush(run)
        recorder.close()


def check_whole(lines: list[dict[str, Any]], end: dict[str, Any], writer: Writer) -> None:
    """What a reader got in all its connections is exactly what is stored."""
    assert [line["n"] for line in lines] == list(range(1, writer.count + 2))
    stored = list(log.read_all(writer.deploy.pk))
    assert [(line["text"], line["host"]) for line in lines] == [(line.text, line.host) for line in stored]
    for run in writer.runs:
        of_host = [int(line["text"].split()[1]) for line in lines if line["host"] == run.host_name]
        assert of_host == sorted(of_host)
    sha256 = hashlib.sha256("".join(line["text"] + "\n" for line in lines).encode()).hexdigest()
    assert end == {"status": "succeeded", "lines": writer.count + 1, "sha256": sha256}
