from dataclasses import dataclass

from environments.parameters import Several, Shell
from environments.phases import Phase
from environments.preset import Command, Preset, parameter


@dataclass(frozen=True, kw_only=True)
class Lint(Preset):
    """Checks the release before anything switches; each check is a step of its own in the log."""

    phases = (Phase.PREPARE,)
    example = {"checks": ["find . -name '*.php' -exec php -l {} +", "bin/console lint:yaml config"]}

    checks: tuple[str, ...] = parameter(Several(Shell(), most=20), "Commands; one that fails ends the deploy.")

    def commands(self) -> tuple[Command, ...]:
        return tuple(Command(check, "" if n == 1 else str(n)) for n, check in enumerate(self.checks, 1))
