"""What a thread needs for its host: the host run, who writes for it, and what to heed."""

import threading
from dataclasses import dataclass

from deployments import attempts
from deployments.archives import Archive
from deployments.models import HostRun, Program
from deployments.moves import Move
from deployments.recorder import Recorder


@dataclass
class Job:
    """One host run's work in this process."""

    run: HostRun
    recorder: Recorder
    known_secrets: frozenset[str]
    stop: threading.Event
    leaving: threading.Event
    archive: Archive | None = None
    held: bool = False  # the release lies there already
    port: int | None = None
    program: Program | None = None  # what `open_programs` has found; later attempts are looked for
    goal: Move | None = None  # where the host run stands when it went well

    def take_program(self, phase: str) -> Program:
        """The program to carry out."""
        found, self.program = self.program, None
        if found is not None and found.phase == phase:
            return found
        return self.recorder.ask(lambda: attempts.newest(self.run, phase))

    def reach_goal(self) -> None:
        """Unless it was written together with the program's result."""
        goal, self.goal = self.goal, None
        if goal is not None:
            self.recorder.move(goal.run, goal.to, **goal.fields)
