"""Which processes make up a running Deployer. Pure: settings in, command lines out."""

import sys
from dataclasses import dataclass
from pathlib import Path

from django.conf import settings

from deployer_site.valkey import find_binary, write_configuration

# Messages are JSON only, so that root's worker unpickles nothing: the warning is about that.
NO_ROOT_WARNING = "ignore:You're running the worker with superuser privileges"
CELERY = (sys.executable, "-W", NO_ROOT_WARNING, "-m", "celery", "--quiet", "-A", "deployer_site")


@dataclass(frozen=True, kw_only=True)
class Program:
    """A process to keep running.

    `once`: it has a task and ends; after any exit code but 0 it is tried again. `hide`: lines with one of these
    phrases say nothing about this installation and are not printed.
    """

    name: str
    command: tuple[str, ...]
    once: bool = False
    hide: tuple[str, ...] = ()


def manage(*words: str) -> tuple[str, ...]:
    return (sys.executable, str(Path(settings.BASE_DIR) / "manage.py"), *words)


def valkey() -> Program:
    configuration = write_configuration(settings.REDIS_URL, settings.VAR / "run")
    # It never saves, so that it needs no memory beyond what it uses.
    hide = ("Memory overcommit must be enabled",)
    return Program(name="valkey", command=(str(find_binary()), str(configuration)), hide=hide)


def web() -> Program:
    return Program(name="web", command=(sys.executable, "-m", "deployer_site.web_process"))


def worker(number: int) -> Program:
    celery = (*CELERY, "worker")
    threads = ("--pool", "threads", "--concurrency", str(settings.WORKER_THREADS))
    name = f"worker-{number}"
    # Workers find each other in the database; what they would tell each other by the broker is noise.
    quiet = ("--without-gossip", "--without-mingle", "--without-heartbeat", "--loglevel", settings.LOG_LEVEL)
    # Nobody can press Ctrl-C at a worker: it has no terminal.
    hide = ("Hitting Ctrl+C again",)
    return Program(name=name, command=(*celery, *threads, "-n", f"{name}@%h", *quiet), hide=hide)


def programs() -> list[Program]:
    """Everything but Valkey, in the order in which it starts."""
    demo = [
        Program(name="fleet", command=manage("demo_fleet")),
        Program(name="seed", command=manage("demo_seed"), once=True),
    ]
    workers = [worker(number) for number in range(1, settings.WORKERS + 1)]
    return [web(), *(demo if settings.DEMO else []), *workers]
