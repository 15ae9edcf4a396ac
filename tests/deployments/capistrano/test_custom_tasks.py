"""What custom tasks are compared with exists here."""

import re
from pathlib import Path

import pytest

from deployments.capistrano import custom_tasks, plugins
from deployments.capistrano.ruby import read
from environments.models import Phase
from environments.presets import PRESETS

FOLDER = Path(custom_tasks.__file__).parent


def named(text: str) -> set[str]:
    """The presets that a text names."""
    words = re.findall(r"[a-z]+(?:-[a-z]+)+", text)
    return {word for word in words if word.split("-")[0] in {name.split("-")[0] for name in PRESETS if "-" in name}}


def test_presets_that_are_named_exist() -> None:
    said = " ".join(preset for _, preset, _ in custom_tasks._PRESETS)
    said += " ".join(advice for _, advice in plugins._ADVICE)
    assert named(said) - set(PRESETS) == set()
    assert len(named(said)) > 8


def test_phases_that_are_named_exist() -> None:
    assert {phase for _, _, phase in custom_tasks._PRESETS} <= set(Phase.values)


@pytest.mark.parametrize(
    ("body", "hook", "said"),
    [
        ("execute :sudo, :systemctl, :restart, 'x'", ("after", "deploy:published"), "restart-systemd, phase restart"),
        ("execute 'supervisorctl restart shop:*'", ("after", "deploy:publishing"), "restart-supervisor, phase restart"),
        ("sudo :service, :php7_4_fpm, :reload", ("after", "deploy:finished"), "phase after"),
        ("execute \"kill -USR2 `cat #{shared_path}/x.pid`\"", ("after", "deploy:published"), "restart-pid-file"),
        ("rake 'assets:precompile'", ("before", "deploy:publishing"), "asset-compile, phase prepare"),
        ("execute :bundle, :exec, :rake, 'db:migrate'", ("after", "deploy:updated"), "database-migration, phase once"),
        ("execute :php, 'bin/console', 'cache:clear'", ("after", "deploy:updated"), "cache-clear, phase prepare"),
        ("run_locally { execute 'curl https://chat.example.com' }", ("after", "deploy"), "preset command, phase after"),
    ],
)  # fmt: skip
def test_a_task_is_compared_by_what_it_runs(body: str, hook: tuple[str, str], said: str) -> None:
    (statement,) = read(f"task :x do\n on roles(:app) do\n {body}\n end\nend", "f")
    assert said in custom_tasks.advise("x", "", statement.value.block, [hook])
