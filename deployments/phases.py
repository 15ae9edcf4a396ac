"""What a worker does on hosts in each phase, and what becomes of a host run when something goes wrong there."""

from collections.abc import Callable
from contextlib import suppress

from django.db import DatabaseError, connection

from deployments import (
    archives,
    attempts,
    builds,
    follow,
    log,
    outside_secrets,
    recipes,
    redaction,
    release_configuration,
    removing,
    runs,
    secrecy,
    switching,
)
from deployments.claims import ClaimLost
from deployments.endings import told, what_is_left, write_end, write_our_mistake
from deployments.errands import Errands
from deployments.failures import Fenced, ProgramFailed, Stopped
from deployments.host_texts import Texts
from deployments.jobs import Job
from deployments.models import Deploy, HeldRelease, HostRun, Kind, Program, ProgramPhase, Release
from deployments.moves import Move, move_all
from deployments.recorder import Recorder
from deployments.runtime import Runtime
from deployments.states import RunStatus
from environments import repositories, ssh
from environments.models import OnFailure
from environments.sealed import CannotOpen

SECOND_CHANCE_SECONDS = 5
R = RunStatus


def carry_out(work: str, deploy: Deploy, taken: list[HostRun], recorder: Recorder, runtime: Runtime) -> None:
    """One phase on all of `taken`. Whatever goes wrong ends in their rows, but for a database that is away."""
    try:
        _WORK[work](deploy, taken, recorder, runtime)
    except (DatabaseError, ClaimLost):
        raise
    except (CannotOpen, archives.ArchiveFailed, repositories.RepositoryError) as error:
        for run in taken:
            write_end(run, R.FAILED, work, f"{error} {what_is_left(run)}")
    except Exception as error:  # noqa: BLE001 - see write_our_mistake
        for run in taken:
            write_our_mistake(run, error)


def _prepare(deploy: Deploy, taken: list[HostRun], recorder: Recorder, runtime: Runtime) -> None:
    held = _holders(deploy, taken)
    try:
        if len(held) < len(taken):
            # first of all, so that masks know them
            outside_secrets.ensure(deploy, _interrupted(deploy, runtime))
        offered = {} if len(held) == len(taken) else _archives(deploy, taken, _watch(deploy, runtime))
    except builds.BuildInterrupted as error:
        if runtime.leaving.is_set():
            raise ClaimLost(str(error)) from None
        for run in taken:
            write_end(run, R.CANCELLED, "cancelled", what_is_left(run))
        return
    _begin(deploy, taken, runtime)
    jobs = _jobs(deploy, taken, recorder, runtime, ProgramPhase.PREPARE)
    for job in jobs:
        job.held = job.run.id in held
        job.archive = None if job.held else offered.get(job.run.revision)

    texts = Texts(deploy, release_configuration.read(deploy, taken))

    def one(job: Job) -> None:
        _check_begun(job)
        job.goal = Move(job.run, R.PREPARED, {"step": "prepared"})
        _prepare_host(job, texts)

    _each(jobs, one, runtime.pool)


def _interrupted(deploy: Deploy, runtime: Runtime) -> Callable[[], bool]:
    stop = runtime.stop_event(deploy.pk)
    return lambda: stop.is_set() or runtime.leaving.is_set()


def _watch(deploy: Deploy, runtime: Runtime) -> builds.Watch:
    return builds.Watch(
        say=lambda texts: log.say(deploy, "\n".join(texts)),
        interrupted=_interrupted(deploy, runtime),
        known_secrets=secrecy.secrets_of_deploy(deploy),
    )


def _archives(deploy: Deploy, taken: list[HostRun], watch: builds.Watch) -> dict[str, archives.Archive]:
    """The archive for hosts that serve each revision; empty where hosts fetch by themselves. Counts the release."""
    application, release = deploy.target.application, runs.release_of(deploy)
    found: dict[str, archives.Archive] = {}
    if application.streamed:
        archive = archives.ensure_archive(application, deploy.revision, watch)
        found = {serves: archives.with_changes(archive, serves) for serves in {run.revision for run in taken}}
    if not release.size:
        release.size = archive.source.total if found else repositories.size_of(application, deploy.revision)
        Release.objects.filter(pk=release.pk).update(size=release.size)
    return found


def _begin(deploy: Deploy, taken: list[HostRun], runtime: Runtime) -> None:
    """All at once, before their threads; a cancel that came first leaves them as they are."""
    if not runtime.stop_event(deploy.pk).is_set():
        move_all([Move(run, R.PREPARING, {"step": "connecting"}) for run in taken if run.status == R.PENDING])


def _check_begun(job: Job) -> None:
    if job.run.status == R.PENDING:
        raise Stopped if job.stop.is_set() else ClaimLost(f"{job.run.host_name} is no longer this worker's.")


def _jobs(deploy: Deploy, taken: list[HostRun], recorder: Recorder, runtime: Runtime, phase: str = "") -> list[Job]:
    """A job per host run, with all that its thread would otherwise ask the database for."""
    known = secrecy.secrets_of_deploy(deploy)
    redaction.prepare_for(known)
    ports = recipes.ports(deploy, taken)
    programs = attempts.open_programs(taken, phase, recorder) if phase else {}
    stop = runtime.stop_event(deploy.pk)
    return [
        Job(run, recorder, known, stop, runtime.leaving, port=ports.get(run.host_id), program=programs.get(run.id))
        for run in taken
    ]


def _prepare_host(job: Job, texts: Texts) -> None:
    """Once, or twice where the target wants failed hosts to be tried again."""
    try:
        follow.carry_out(job, ProgramPhase.PREPARE, lambda: texts.prepare(job))
    except (ProgramFailed, ssh.HostUnreachable) as error:
        retried = job.run.deploy.plan.get("on_failure") == OnFailure.RETRY and not isinstance(error, Fenced)
        if (
            not retried
            or job.leaving.is_set()
            or not attempts.second_chance(job.run, ProgramPhase.PREPARE, job.recorder)
        ):
            raise
        said = f"{error} It is tried once more."
        job.recorder.ask(lambda: log.say(job.run.deploy, said, host=job.run.host_name))
        if job.stop.wait(SECOND_CHANCE_SECONDS):
            raise Stopped from None
        follow.carry_out(job, ProgramPhase.PREPARE, lambda: texts.prepare(job))


def _holders(deploy: Deploy, taken: list[HostRun]) -> set[int]:
    """The host runs on whose hosts the release lies already, as after a late failure for a retry.

    A release that is marked bad is then a person's own choice, and judged anew.
    """
    if deploy.kind not in (Kind.ROLLBACK, Kind.RETRY, Kind.CONVERGE):
        return set()
    there = HeldRelease.objects.filter(placement__target=deploy.target_id, release=deploy.release_id)
    hosts = set(there.values_list("placement__host", flat=True))
    return {run.pk for run in taken if run.host_id in hosts}


def _once(deploy: Deploy, taken: list[HostRun], recorder: Recorder, runtime: Runtime) -> None:
    texts = Texts(deploy)

    def one(job: Job) -> None:
        follow.carry_out(job, ProgramPhase.ONCE, lambda: texts.once(job))
        recorder.tell(job.run, [runs.Note(job.run, "prepared")])

    _each(_jobs(deploy, taken, recorder, runtime, ProgramPhase.ONCE), one, runtime.pool)


def _task(deploy: Deploy, taken: list[HostRun], recorder: Recorder, runtime: Runtime) -> None:
    _begin(deploy, taken, runtime)

    texts, away = Texts(deploy), recipes.takes_away(deploy)

    def one(job: Job) -> None:
        _check_begun(job)
        done = Move(job.run, R.LIVE, {"step": "done"})
        job.goal = None if away else done
        follow.carry_out(job, ProgramPhase.TASK, lambda: texts.task(job))
        if away:  # its folder, with all that we keep there, goes once the program has told its end
            removing.remove_root(job)
            job.goal = done
            job.reach_goal()

    _each(_jobs(deploy, taken, recorder, runtime, ProgramPhase.TASK), one, runtime.pool)


def _switch(deploy: Deploy, taken: list[HostRun], recorder: Recorder, runtime: Runtime) -> None:
    items = switching.switch(deploy, taken, runtime.stop_event(deploy.pk))
    switching.record(deploy, items)
    for item in items:
        if switching.lacks_release(item):
            with told(item.run):
                runs.lacks(item.run)
        elif item.failure is not None:
            with told(item.run):
                raise item.failure


def _finish(deploy: Deploy, taken: list[HostRun], recorder: Recorder, runtime: Runtime) -> None:
    texts = Texts(deploy)

    def one(job: Job) -> None:
        job.goal = Move(job.run, R.LIVE, {"step": "live"})
        follow.carry_out(job, ProgramPhase.FINISH, lambda: texts.finish(job))

    _each(_jobs(deploy, taken, recorder, runtime, ProgramPhase.FINISH), one, runtime.pool)


def _stop(deploy: Deploy, taken: list[HostRun], recorder: Recorder, runtime: Runtime) -> None:
    """End what a worker that is gone has started: attach to it with the word to stop already given."""
    texts = Texts(deploy, release_configuration.read(deploy, taken))
    programs: dict[str, tuple[str, Callable[[Job], str]]] = {
        R.PREPARING: (
            (ProgramPhase.TASK, texts.task) if deploy.kind == Kind.TASK else (ProgramPhase.PREPARE, texts.prepare)
        ),
        R.PREPARED: (ProgramPhase.ONCE, texts.once),
        R.SWITCHED: (ProgramPhase.FINISH, texts.finish),
    }
    unended = set(Program.objects.filter(run__in=taken, result="").values_list("run", "phase"))

    def one(job: Job) -> None:
        phase, text = programs[job.run.status]
        if (job.run.pk, phase) in unended:
            with suppress(Stopped):
                follow.carry_out(job, phase, lambda: text(job))
        if runs.may_have_switched(job.run):
            # whoever worked on it may have given the word, and died before a row said so
            switching.settle(job.run, recorder.ask)
        raise Stopped

    _each(_jobs(deploy, taken, recorder, runtime), one, runtime.pool)


_WORK: dict[str, Callable[[Deploy, list[HostRun], Recorder, Runtime], None]] = {
    "task": _task,
    "prepare": _prepare,
    "once": _once,
    "switch": _switch,
    "finish": _finish,
    "stop": _stop,
}


def _each(jobs: list[Job], one: Callable[[Job], None], pool: Errands) -> None:
    """All hosts at once, each in a thread; what goes wrong on one is written to its row and harms no other."""

    def guarded(job: Job) -> None:
        with told(job.run, job.recorder.ask):
            one(job)

    connection.close()  # it may be long, and a thread that only waits holds none
    pool.each(jobs, guarded)  # all of them, before anything is let go
