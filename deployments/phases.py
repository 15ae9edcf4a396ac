"""What a worker does on hosts in each phase, and what becomes of a host run when something goes wrong there."""

import logging
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, wait
from contextlib import contextmanager, suppress

from django.db import DatabaseError, connection

from deployments import archives, follow, host_program, log, recipes, runs, secrecy, switching
from deployments.claims import ClaimLost
from deployments.follow import Fenced, Job, ProgramFailed, Stopped
from deployments.models import Deploy, HeldRelease, HostRun, Kind, Placement, Program, ProgramPhase
from deployments.runtime import Runtime
from deployments.states import RunStatus
from deployments.switching import SwitchUnknown
from environments import repositories, ssh
from environments.models import Application, OnFailure, Phase
from environments.sealed import CannotOpen

SECOND_CHANCE_SECONDS = 5
logger = logging.getLogger(__name__)
R = RunStatus


def carry_out(work: str, deploy: Deploy, taken: list[HostRun], recorder: log.Recorder, runtime: Runtime) -> None:
    """One phase on all of `taken`. Whatever goes wrong ends in their rows, but for a database that is away."""
    try:
        _WORK[work](deploy, taken, recorder, runtime)
    except (DatabaseError, ClaimLost):
        raise
    except (CannotOpen, archives.ArchiveFailed, repositories.RepositoryError) as error:
        for run in taken:
            _write(run, R.FAILED, work, f"{error} {_what_is_left(run)}")
    except Exception as error:  # noqa: BLE001 - see _our_mistake
        for run in taken:
            _our_mistake(run, error)


def _prepare(deploy: Deploy, taken: list[HostRun], recorder: log.Recorder, runtime: Runtime) -> None:
    archive = None
    streamed = deploy.target.application.distribution != Application.Distribution.GIT
    if streamed and not all(_is_held(run) for run in taken):
        archive = archives.ensure_archive(deploy.target.application, deploy.revision)
    known = secrecy.secrets_of(deploy.target.application)

    def one(run: HostRun) -> None:
        job = Job(
            run, recorder, known, runtime.stop_event(deploy.pk), runtime.leaving, None if _is_held(run) else archive
        )
        if run.status == R.PENDING:
            if job.stop.is_set():
                raise Stopped
            runs.move(run, R.PREPARING, step="connecting")
        _prepare_host(job)
        runs.prepared(run)

    _each(taken, one, runtime.pool)


def _prepare_host(job: Job) -> None:
    """Once, or twice where the target wants failed hosts to be tried again."""
    try:
        follow.carry_out(job, ProgramPhase.PREPARE, lambda: _prepare_text(job))
    except (ProgramFailed, ssh.HostUnreachable) as error:
        retried = job.run.deploy.plan.get("on_failure") == OnFailure.RETRY and not isinstance(error, Fenced)
        if not retried or job.leaving.is_set() or not follow.second_chance(job, ProgramPhase.PREPARE):
            raise
        log.say(job.run.deploy, f"{error} It is tried once more.", host=job.run.host_name)
        if job.stop.wait(SECOND_CHANCE_SECONDS):
            raise Stopped from None
        follow.carry_out(job, ProgramPhase.PREPARE, lambda: _prepare_text(job))


def _prepare_text(job: Job) -> str:
    run, deploy = job.run, job.run.deploy
    held = _is_held(run)
    return host_program.prepare_program(
        place=recipes.place(deploy),
        release=recipes.release(deploy),
        source=host_program.HeldSource(pardon=True) if held else _source(job),
        linked_dirs=tuple(deploy.recipe["linked_dirs"]),
        linked_files=tuple(deploy.recipe["linked_files"]),
        steps=() if held else recipes.steps(deploy, run, Phase.PREPARE),
        facts=recipes.facts(deploy, run),
        later=recipes.later_steps(deploy, run),
    )


def _is_held(run: HostRun) -> bool:
    """Whether the release already lies there, as after a late failure for a retry.

    A release that is marked bad is then a person's own choice, and judged anew.
    """
    if run.deploy.kind not in (Kind.ROLLBACK, Kind.RETRY, Kind.CONVERGE):
        return False
    held = HeldRelease.objects.filter(placement__host=run.host, placement__target=run.deploy.target_id)
    return held.filter(release=run.deploy.release).exists()


def _source(job: Job) -> host_program.Source:
    if job.archive is not None:
        return job.archive.source
    application = job.run.deploy.target.application
    needed = repositories.credentials(application)
    ref = job.run.deploy.ref
    return host_program.GitSource(
        url=application.repository,
        revision=job.run.deploy.revision,
        ref="" if repositories.is_hex(ref) else ref,
        key=needed.key,
        known_hosts=needed.known_hosts,
        username=needed.user,
        token=needed.token,
    )


def _once(deploy: Deploy, taken: list[HostRun], recorder: log.Recorder, runtime: Runtime) -> None:
    known = secrecy.secrets_of(deploy.target.application)

    def one(run: HostRun) -> None:
        job = Job(run, recorder, known, runtime.stop_event(deploy.pk), runtime.leaving)
        follow.carry_out(
            job,
            ProgramPhase.ONCE,
            lambda: _once_text(run),
        )
        runs.note(run, "prepared")

    _each(taken, one, runtime.pool)


def _once_text(run: HostRun) -> str:
    deploy = run.deploy
    return host_program.once_program(
        place=recipes.place(deploy),
        release=recipes.release(deploy),
        steps=recipes.steps(deploy, run, Phase.ONCE),
        facts=recipes.facts(deploy, run),
    )


def _task(deploy: Deploy, taken: list[HostRun], recorder: log.Recorder, runtime: Runtime) -> None:
    known = secrecy.secrets_of(deploy.target.application)

    def one(run: HostRun) -> None:
        job = Job(run, recorder, known, runtime.stop_event(deploy.pk), runtime.leaving)
        if run.status == R.PENDING:
            if job.stop.is_set():
                raise Stopped
            runs.move(run, R.PREPARING, step="connecting")
        follow.carry_out(job, ProgramPhase.TASK, lambda: _task_text(run))
        runs.move(run, R.LIVE, step="done")

    _each(taken, one, runtime.pool)


def _task_text(run: HostRun) -> str:
    deploy = run.deploy
    return host_program.task_program(
        place=recipes.place(deploy),
        steps=recipes.steps(deploy, run, recipes.TASK),
        facts=recipes.facts(deploy, run),
    )


def _switch(deploy: Deploy, taken: list[HostRun], recorder: log.Recorder, runtime: Runtime) -> None:
    items = switching.switch(deploy, taken, runtime.stop_event(deploy.pk))
    switching.record(deploy, items)
    for item in items:
        if switching.lacks_release(item):
            with _told(item.run):
                runs.lacks(item.run)
        elif item.failure is not None:
            with _told(item.run):
                raise item.failure


def _finish(deploy: Deploy, taken: list[HostRun], recorder: log.Recorder, runtime: Runtime) -> None:
    known = secrecy.secrets_of(deploy.target.application)

    def one(run: HostRun) -> None:
        job = Job(run, recorder, known, runtime.stop_event(deploy.pk), runtime.leaving)
        follow.carry_out(job, ProgramPhase.FINISH, lambda: _finish_text(run))
        runs.move(run, R.LIVE, step="live")

    _each(taken, one, runtime.pool)


def _finish_text(run: HostRun) -> str:
    deploy = run.deploy
    return host_program.finish_program(
        place=recipes.place(deploy),
        release=recipes.release(deploy),
        restart=recipes.steps(deploy, run, Phase.RESTART),
        after=recipes.steps(deploy, run, Phase.AFTER),
        keep=deploy.recipe["keep"],
        protect=(run.previous,) if run.previous else (),
        facts=recipes.facts(deploy, run),
    )


def _stop(deploy: Deploy, taken: list[HostRun], recorder: log.Recorder, runtime: Runtime) -> None:
    """End what a worker that is gone has started: attach to it with the word to stop already given."""
    known = secrecy.secrets_of(deploy.target.application)
    texts: dict[str, tuple[str, Callable[[Job], str]]] = {
        R.PREPARING: (ProgramPhase.PREPARE, _prepare_text),
        R.PREPARED: (ProgramPhase.ONCE, lambda job: _once_text(job.run)),
        R.SWITCHED: (ProgramPhase.FINISH, lambda job: _finish_text(job.run)),
    }

    def one(run: HostRun) -> None:
        phase, text = texts[run.status]
        if Program.objects.filter(run=run, phase=phase, result="").exists():
            job = Job(run, recorder, known, runtime.stop_event(deploy.pk), runtime.leaving)
            with suppress(Stopped):
                follow.carry_out(job, phase, lambda: text(job))
        if run.status == R.PREPARED:
            switching.settle(run)  # whoever worked on it may have given the word, and died before a row said so
        raise Stopped

    _each(taken, one, runtime.pool)


_WORK: dict[str, Callable[[Deploy, list[HostRun], log.Recorder, Runtime], None]] = {
    "task": _task,
    "prepare": _prepare,
    "once": _once,
    "switch": _switch,
    "finish": _finish,
    "stop": _stop,
}


def _each(taken: list[HostRun], one: Callable[[HostRun], None], pool: Executor) -> None:
    """All hosts at once, each in a thread; what goes wrong on one is written to its row and harms no other."""

    def guarded(run: HostRun) -> None:
        try:
            with _told(run):
                one(run)
        finally:
            connection.close()

    futures = [pool.submit(guarded, run) for run in taken]
    wait(futures)  # all of them, before anything is let go
    for future in futures:
        future.result()


@contextmanager
def _told(run: HostRun) -> Iterator[None]:
    """Whatever can go wrong on a host becomes the final state of its host run."""
    try:
        yield
    except ClaimLost as lost:
        logger.info("%s", lost)
    except Stopped:
        _write(run, R.CANCELLED, "cancelled", _what_is_left(run))
    except Fenced as fenced:
        _fenced(run, fenced)
    except ssh.HostUnreachable as error:
        _write(run, R.UNREACHABLE, error.kind, f"{error} {_what_is_left(run)}")
    except ssh.SSHError as error:
        _write(run, R.FAILED, error.kind, str(error))
    except (repositories.RepositoryError, host_program.HostProgramError) as error:
        _write(run, R.FAILED, "recipe", f"{error} {_what_is_left(run)}")
    except SwitchUnknown as error:
        _write(run, R.UNKNOWN, error.kind, f"{error} Compare what runs there, then deploy again.")
    except ProgramFailed as error:
        _write(
            run,
            R.UNKNOWN if error.kind == "unknown" else R.FAILED,
            error.kind,
            f"{run.host_name}: {error}. {_what_is_left(run)}",
        )
    except DatabaseError:
        raise
    except Exception as error:  # noqa: BLE001 - see _our_mistake
        _our_mistake(run, error)


def _our_mistake(run: HostRun, error: Exception) -> None:
    """It must end the host run: left as it is, every sweep would make the mistake again."""
    logger.error("Deploy %s went wrong on %s.", run.deploy_id, run.host_name, exc_info=error)
    _write(run, R.FAILED, "internal", f"The Deployer made a mistake ({type(error).__name__}); its log tells more.")


def _write(run: HostRun, to: RunStatus, kind: str, text: str) -> None:
    try:
        runs.move(run, to, error_kind=kind, error=text)
    except ClaimLost as lost:
        logger.info("%s", lost)


def _fenced(run: HostRun, fenced: Fenced) -> None:
    """A newer claim of ours means that this worker is stale; one that we do not know of means a restored database."""
    target = run.deploy.target
    target.refresh_from_db(fields=["fence"])
    if fenced.seen <= target.fence:
        logger.info("%s refused this worker's claim: a newer one has begun there.", run.host_name)
        return
    _write(
        run,
        R.UNKNOWN,
        "fence",
        f"{run.host_name} has seen fence {fenced.seen}, but this installation has only given out {target.fence}. "
        "The database is older than the host, as after a restored backup, so nothing was done. "
        f"Look at what runs there; `manage.py fence {target.slug} --to {fenced.seen}` lets the next deploy go there.",
    )


def _what_is_left(run: HostRun) -> str:
    """What is true of the host now, in a sentence."""
    if run.deploy.kind == Kind.TASK:
        return "What it serves was not touched by the Deployer."
    if Placement.objects.filter(host=run.host_id, target=run.deploy.target_id, current=run.deploy.release_id).exists():
        return f"The new release {run.deploy.revision[:7]} is current there."
    return "What it served before is still current."
