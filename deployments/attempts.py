"""Which program of a phase a host run is at: the newest attempt, and whether there may be another."""

import secrets
from collections.abc import Sequence

from django.db import IntegrityError, connection, transaction
from django.db.models import Max
from django.utils import timezone

from deployments import recipes
from deployments.failures import ProgramFailed
from deployments.models import HostRun, LogChunk, Program, ProgramPhase, bulk
from deployments.models.bulk import ids_of
from deployments.recorder import Recorder


def open_programs(taken: Sequence[HostRun], phase: str, recorder: Recorder) -> dict[int, Program]:
    """The newest program of this phase by host run, made where there is none; a few statements for all of them."""
    found = Program.objects.filter(run__among=ids_of(taken), phase=phase).order_by("attempt")
    known = {program.run_id: program for program in found}
    if known:
        heard = LogChunk.objects.filter(program__among=ids_of(known.values()))
        ends = heard.values_list("program").annotate(Max("end_offset"))
        offsets = dict(ends)
        recorder.begin_all(list(known.values()), offsets)
    try:
        made = _new_programs([run for run in taken if run.id not in known], phase)
    except IntegrityError:
        # our claims have lapsed in between and another worker is at it; hosts and rows tell who is too late
        return open_programs(taken, phase, recorder)
    recorder.begin_all(made, {})
    return known | {program.run_id: program for program in made}


def _new_programs(some: Sequence[HostRun], phase: str) -> list[Program]:
    """The first attempt of each. Raises IntegrityError."""
    nonces = {run.id: secrets.token_hex(8) for run in some}
    at = connection.ops.adapt_datetimefield_value(timezone.now())
    rows = [(pk, phase, 1, nonce, "", at) for pk, nonce in nonces.items()]
    with transaction.atomic():
        made = bulk.insert(
            Program, ("run_id", "phase", "attempt", "nonce", "result", "started_at"), rows, ("id", "run_id")
        )
    stored = ((pk, run_id, phase, 1, nonces[run_id], "") for pk, run_id in made)
    return bulk.instances(Program, ("id", "run_id", "phase", "attempt", "nonce", "result"), stored)


def newest(run: HostRun, phase: str) -> Program:
    """The last attempt; the first is made here."""
    last = Program.objects.filter(run=run, phase=phase).order_by("-attempt").first()
    return last or Program.objects.create(run=run, phase=phase, nonce=secrets.token_hex(8))


def begin_again(run: HostRun, program: Program, recorder: Recorder) -> None:
    """The host has forgotten how the program ended (it was restarted in the middle). Raises ProgramFailed."""
    phases = ("restart", "after") if program.phase == ProgramPhase.FINISH else (program.phase,)
    if program.attempt >= 3 or not recipes.may_repeat(run.deploy, run, phases):
        raise ProgramFailed(
            "unknown",
            f"{run.host_name} broke off in the middle and does not know how its steps ended; "
            "they may not run twice. Look at the host, then retry it.",
        )
    recorder.ask(lambda: attempt_after(program))


def attempt_after(program: Program) -> Program:
    """The next `carry_out` of this phase starts it."""
    return Program.objects.create(
        run=program.run, phase=program.phase, attempt=program.attempt + 1, nonce=secrets.token_hex(8)
    )


def second_chance(run: HostRun, phase: str, recorder: Recorder) -> bool:
    """Whether a failed program of this phase may be tried once more; then the next `carry_out` does that."""
    if not recipes.may_repeat(run.deploy, run, (phase,)):
        return False
    last = recorder.ask(lambda: newest(run, phase))
    if last.attempt > 1:
        return False
    recorder.ask(lambda: attempt_after(last))
    return True
