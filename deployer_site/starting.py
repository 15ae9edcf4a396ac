"""What `manage.py up` does, in its order: check, prepare, run, greet."""

import asyncio
import multiprocessing
import signal
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass

from django.conf import settings
from django.core.management import BaseCommand, call_command
from django.db import DatabaseError, connection, connections
from django.db.migrations.executor import MigrationExecutor

from deployer_site.console import Console
from deployer_site.lifeline import Lifeline
from deployer_site.programs import Program, programs, valkey
from deployer_site.readiness import states
from deployer_site.start_checks import (
    DatabaseRefused,
    MigrationFailed,
    check_port,
    prepare_folder,
    take_lock,
    tell_failed_migration,
)
from deployer_site.static_collection import collect_static_files
from deployer_site.supervisor import Supervisor
from deployer_site.valkey import own_url
from deployer_site.welcome import welcome
from environments import keys

READY_SECONDS, REMIND_SECONDS, POLL_SECONDS = 120.0, 20.0, 0.5
VALKEY_SECONDS = 5.0
STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@dataclass(frozen=True)
class Plan:
    valkey: Program | None
    valkey_port: int
    others: Sequence[Program]


def check() -> int:
    """The lock of the folder, once nothing stands in the way of a start; raises StartRefused, SystemCheckError."""
    _apart(_check_code)
    prepare_folder(settings.VAR)
    lock = take_lock(settings.VAR)
    check_port(settings.BIND, settings.PORT)
    return lock


def prepare(console: Console) -> Plan:
    """Everything that is done before the first process starts: tables, static files, configuration."""
    try:
        _apart(_prepare_tables)
    except DatabaseError as error:
        raise DatabaseRefused(str(error)) from error
    finally:
        connections.close_all()
    if collect_static_files():
        console.say("Static files were collected.")
    others = programs()
    console.fit([program.name for program in others])
    if not settings.BUNDLED_VALKEY:
        return Plan(None, 0, others)
    settings.REDIS_URL, port = own_url(settings.SECRETS / "valkey_url", settings.REDIS_URL)
    return Plan(valkey(), port, others)


def _check_code() -> None:
    """Django's own checks, as every command makes them; they load every page."""
    BaseCommand().check()


def _prepare_tables() -> None:
    connection.ensure_connection()
    try:
        call_command("migrate", interactive=False, verbosity=0, skip_checks=True)
    except Exception as error:  # a migration is any code
        raise MigrationFailed(tell_failed_migration(_next_migration(), error)) from error
    keys.ensure_key_pair()
    connections.close_all()


def _next_migration() -> str:
    """The first that is not applied, which is the one that failed."""
    executor = MigrationExecutor(connection)
    missing = executor.migration_plan(executor.loader.graph.leaf_nodes())
    return f"{missing[0][0].app_label}.{missing[0][0].name}" if missing else "after the last one"


def _apart(act: Callable[[], None]) -> None:
    """In a process of its own, where forking is safe: what it loads would fill this one's memory for good."""
    if sys.platform != "linux":
        return act()
    connections.close_all()
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("fork")) as child:
        child.submit(act).result()


async def run(plan: Plan, *, console: Console, lifeline: Lifeline) -> None:
    """Keep everything running until someone asks to stop."""
    supervisor = Supervisor(console=console, lifeline=lifeline)
    loop = asyncio.get_running_loop()
    for number in STOP_SIGNALS:
        # Under `nohup` the end of the terminal is meant to be ignored.
        if number != signal.SIGHUP or signal.getsignal(number) != signal.SIG_IGN:
            loop.add_signal_handler(number, supervisor.ask_to_stop)
    console.say(f"Starting in {settings.VAR}.")
    if plan.valkey:
        supervisor.keep([plan.valkey])
        await _until_open(plan.valkey_port)
    supervisor.keep(plan.others)
    greeting = asyncio.create_task(_greet(console))
    await supervisor.until_stopped()
    greeting.cancel()


async def _until_open(port: int) -> None:
    """Wait for Valkey, so that nobody begins with a failed connection and a pause; everybody can do without it."""
    deadline = time.monotonic() + VALKEY_SECONDS
    while time.monotonic() < deadline:
        try:
            _, writer = await asyncio.open_connection("127.0.0.1", port)
        except OSError:
            await asyncio.sleep(0.01)
        else:
            writer.close()
            return


async def _greet(console: Console) -> None:
    """Say where to go once everything is ready, or what is still missing."""
    began = reminded = time.monotonic()
    while True:
        missing = await asyncio.to_thread(what_is_missing)
        now = time.monotonic()
        if not missing or now - began > READY_SECONDS:
            lines = await asyncio.to_thread(welcome, missing)
            console.box(lines)
            return
        if now - reminded > REMIND_SECONDS:
            reminded = now
            console.say(f"Not ready yet: {' '.join(missing)}")
        await asyncio.sleep(POLL_SECONDS)


def what_is_missing() -> list[str]:
    """One sentence for each part that does not work yet."""
    missing = [] if _web_answers() else ["The web process does not answer yet."]
    return missing + [state.text for state in states().values() if not state.ok]


def _web_answers() -> bool:
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(settings.BIND, settings.BIND)
    address = f"http://[{host}]" if ":" in host else f"http://{host}"
    try:
        with urllib.request.urlopen(f"{address}:{settings.PORT}/healthz", timeout=2):
            return True
    except urllib.error.HTTPError:
        # It answers; that it does not know this name (ALLOWED_HOSTS) is no concern here.
        return True
    except OSError:
        return False
