"""A durable program on a host, from start or attach to its stored end."""

import time
from collections.abc import Callable
from functools import partial

from deployments import attempts
from deployments.failures import ProgramFailed, Stopped
from deployments.jobs import Job
from deployments.models import Program
from deployments.talking import Talk, talk_to
from environments import ssh

LINK_SECONDS = 5  # how long a broken link is tried again; noticing it took 10 s, so unreachable is said within 20
UPLOADS_MOST = 3


def carry_out(job: Job, phase: str, text: Callable[[], str]) -> None:
    """Bring the program of this phase to its end: start it, or attach to it where the stored log ends.

    Returns when it ended well, all is stored and the job's goal is reached.
    Raises ProgramFailed, Stopped, ClaimLost, ssh.SSHError.
    """
    while True:
        program = job.take_program(phase)
        if not program.result:
            _talk_until_end(job, program, text())
        if program.result.startswith("failed base ") and program.attempt == 1:
            # no step has run yet, and from the second attempt on the whole archive is offered
            job.recorder.ask(partial(attempts.attempt_after, program))
        elif program.result != "lost":
            _judge(program.result)
            return job.reach_goal()
        else:
            attempts.begin_again(job.run, program, job.recorder)


def _judge(result: str) -> None:
    word, _, rest = result.partition(" ")
    if word == "stopped":
        raise Stopped
    if word != "ok":
        kind, _, text = rest.partition(" ")
        raise ProgramFailed(kind or "step", text)


def _talk_until_end(job: Job, program: Program, text: str) -> None:
    """Connect again after a broken link, since the program goes on without us."""
    give_up, uploads = 0.0, 0
    while True:
        talk = Talk()
        try:
            return talk_to(job, program, talk, text)
        except ssh.HostUnreachable:
            now = time.monotonic()
            uploads += talk.uploading
            if talk.heard:
                give_up = now + LINK_SECONDS  # from when it broke: it may have held for hours before
            elif not give_up:
                give_up = talk.began + LINK_SECONDS
            if job.stop.is_set() or job.leaving.is_set() or now > give_up or uploads == UPLOADS_MOST:
                raise
            job.stop.wait(1)
