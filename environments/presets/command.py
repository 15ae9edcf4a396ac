from dataclasses import dataclass

from environments.parameters import Shell
from environments.preset import Command, Preset, parameter


@dataclass(frozen=True, kw_only=True)
class ShellCommand(Preset):
    """Runs a command by the target's shell."""

    example = {"command": "bin/smoke --all"}

    command: str = parameter(Shell(), "What is run, in the release's folder.")

    def commands(self) -> tuple[Command, ...]:
        return (Command(self.command),)
