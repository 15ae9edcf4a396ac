from dataclasses import dataclass

from environments.parameters import RelativePath, Shell
from environments.phases import Phase
from environments.preset import Command, Preset, Usual, parameter
from environments.shell_text import block, script

_CHECK = """
[ -n "$output" ] || exit 0
[ -n "$(ls -A "$output" 2>/dev/null)" ] || die "The assets were compiled, but $output is empty or not there."
"""


@dataclass(frozen=True, kw_only=True)
class AssetCompile(Preset):
    """Compiles assets in the release's folder, and makes sure that something came out."""

    usual = Usual(time_limit=1800)
    phases = (Phase.PREPARE,)
    example = {"install": "npm ci", "command": "npm run build", "output": "public/build"}

    command: str = parameter(Shell(), "What compiles.")
    install: str = parameter(Shell(), "What is run before it, as for packages that it needs.", "")
    output: str = parameter(RelativePath(), "A folder of the release that must not be empty afterwards.", "")

    def commands(self) -> tuple[Command, ...]:
        work = "".join(block(command) for command in (self.install, self.command) if command)
        return (Command(work + script(_CHECK, output=self.output)),)
