"""What custom tasks and hooks of Capistrano do, and what does the same here."""

import re
from collections.abc import Iterable, Iterator
from typing import Any

from deployments.capistrano.ruby import Statement
from deployments.capistrano.ruby_values import Block, Call, Text, Unknown

# the first that matches what a task runs: preset, usual phase
_PRESETS = (
    (r"db:migrate|migrations?[: ]|artisan migrate|manage\.py migrate|alembic|flyway", "database-migration", "once"),
    (r"assets:precompile|webpack|(npm|yarn) (run )?build|encore|assetic", "asset-compile", "prepare"),
    (r"restart\.txt|\btouch ", "restart-touch-file", "restart"),
    (r"php\S*fpm", "php-realpath-refresh", "restart"),
    (r"systemctl|\bservice \S+ |initctl|/etc/init\.d/", "restart-systemd", "restart"),
    (r"supervisorctl", "restart-supervisor", "restart"),
    (r"opcache|apc", "php-opcache-reset", "after"),
    (r"sidekiq|resque|delayed_job|queue:restart|celery", "drain-workers and spawn-workers", "restart"),
    (r"\bkill\b|\.pid\b|pumactl|unicorn", "restart-pid-file", "restart"),
    (r"cache:clear|flushall|flushdb|cache:flush", "cache-clear", "after"),
    (r"cache:warm|\bcurl\b|\bwget\b", "cache-warm", "after"),
    (r"\blint|rubocop|phpcs|eslint", "lint", "prepare"),
)
_BEFORE_SWITCH = {"starting", "started", "check", "new_release_path", "updating", "updated", "symlink:shared"}
_SWITCH = {"publishing", "published", "symlink:release", "restart"}
_RUN = {"execute", "sudo", "capture", "test", "rake", "background"}
_HERE = {"run_locally", "upload!", "download!"}


def advise(name: str, description: str, block: Block | None, hooks: Iterable[tuple[str, str]]) -> str:
    """A sentence about what a task runs and where it belongs. `hooks`: ("after", "deploy:published")."""
    calls = list(_calls(block.body)) if block else []
    commands = [_command(call) for call in calls if call.name in _RUN]
    hooked = tuple(hooks)
    said = f"task {name}" + (f" ({description})" if description else "")
    said += f" runs {'; '.join(f'`{one}`' for one in commands)}." if commands else " runs no command that we can read."
    here = {call.name for call in calls} & _HERE
    if here:
        said += f" It works on the machine of whoever deploys ({', '.join(sorted(here))}), which steps do not."
    if not hooked:
        return f"{said} Nothing runs it by itself: make it a task of the target."
    preset, phase = _preset(" ".join(commands)) if not here else ("command", "")
    phase = _phase_of(hooked, phase)
    roles = sorted({role for call in calls for role in _roles(call)})
    limited = f", roles {' '.join(roles)}" if roles else ""
    return f"{said} It runs {_tell(hooked)}: make it a step with the preset {preset}, phase {phase}{limited}."


def advise_hook(when: str, other: str, name: str) -> str:
    """For a hook whose task is defined in no file that was read."""
    preset, phase = _preset(name)
    phase = _phase_of(((when, other),), phase)
    return f"hook: {name} runs {when} {other}. Make it a step with the preset {preset}, phase {phase}."


def _tell(hooks: tuple[tuple[str, str], ...]) -> str:
    return " and ".join(f"{when} {other}" for when, other in hooks)


def _preset(text: str) -> tuple[str, str]:
    for pattern, preset, phase in _PRESETS:
        if re.search(pattern, text):
            return preset, phase
    return "command", ""


def _phase_of(hooks: tuple[tuple[str, str], ...], usual: str) -> str:
    """By the hook, but for what runs once."""
    if usual == "once":
        return usual
    for when, other in hooks:
        place = other.removeprefix("deploy:")
        if place in _BEFORE_SWITCH or (place in ("publishing", "symlink:release") and when == "before"):
            return "prepare"
        if place in _SWITCH:
            return "restart"
    return "after" if hooks else usual or "after"


def _calls(statements: Iterable[Statement]) -> Iterator[Call]:
    for statement in statements:
        yield from _calls(statement.body)
        yield from _calls_in(statement.value)


def _calls_in(value: Any) -> Iterator[Call]:
    if isinstance(value, Call):
        yield value
        for inner in (value.receiver, *value.args, *value.named.values()):
            yield from _calls_in(inner)
        if value.block:
            yield from _calls(value.block.body)
    elif isinstance(value, Block):
        yield from _calls(value.body)
    elif isinstance(value, list):
        for item in value:
            yield from _calls_in(item)


def _roles(call: Call) -> list[str]:
    if call.name not in ("roles", "release_roles", "primary"):
        return []
    found = [str(role) for arg in call.args for role in (arg if isinstance(arg, list) else [arg])]
    return [role for role in found if re.fullmatch(r"[a-z][\w-]*", role) and role != "all"]


def _command(call: Call) -> str:
    words = [_word(arg) for arg in call.args if not isinstance(arg, dict)]
    return " ".join([*({"sudo": ["sudo"], "rake": ["rake"]}.get(call.name, [])), *words])[:200]


def _word(value: Any) -> str:
    if isinstance(value, str):
        return " ".join(value.split())
    if isinstance(value, int | float):
        return str(value)
    if isinstance(value, Text):
        return " ".join("".join(p if isinstance(p, str) else f"{{{p.source}}}" for p in value.parts).split())
    if isinstance(value, list):
        return " ".join(map(_word, value))
    if isinstance(value, Call):
        on = "" if value.receiver is None else _word(value.receiver)
        if value.name == "join":
            return "/".join([on, *map(_word, value.args)])
        if value.name == "fetch" and value.args:
            return f"{{{value.args[0]}}}"
        return on if on and value.name in ("to_s", "shellescape") else f"{{{value.name}}}"
    return value.source if isinstance(value, Unknown) else "…"
