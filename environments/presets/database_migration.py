from dataclasses import dataclass

from environments.parameters import Shell
from environments.phases import Phase
from environments.preset import Command, Preset, Usual, parameter


@dataclass(frozen=True, kw_only=True)
class DatabaseMigration(Preset):
    """Migrates the database: once, on one host, when all hosts are prepared and before any switches.

    The code that serves meanwhile is the old one, so a migration must suit both. Unless you say that it may be
    repeated, one whose end nobody knows waits for a person.
    """

    usual = Usual(phase=Phase.ONCE, time_limit=3600, silence_limit=900, repeatable=False)
    phases = (Phase.ONCE,)
    example = {"command": "bin/rails db:migrate", "down_command": "bin/rails db:rollback"}

    command: str = parameter(Shell(), "What migrates.")
    down_command: str = parameter(
        Shell(),
        "What takes this release's migrations back. It is shown before a rollback, and never run by itself.",
        "",
    )

    def commands(self) -> tuple[Command, ...]:
        return (Command(self.command),)
