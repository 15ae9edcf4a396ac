from dataclasses import dataclass

from environments.parameters import AnyPath
from environments.phases import Phase
from environments.preset import Command, Preset, Usual, parameter
from environments.shell_text import script

_BODY = """
case $file in /*) ;; *) file=$DEPLOYER_CURRENT_PATH/$file ;; esac
mkdir -p "${file%/*}" && touch "$file" || die "$file cannot be touched."
echo "$file"
"""


@dataclass(frozen=True, kw_only=True)
class RestartTouchFile(Preset):
    """Touches the file that the application server watches, as Passenger's `tmp/restart.txt`."""

    usual = Usual(phase=Phase.RESTART)
    phases = (Phase.RESTART, Phase.AFTER)
    example = {"file": "tmp/restart.txt"}

    file: str = parameter(AnyPath(), "The file; one that is not absolute lies in the release.", "tmp/restart.txt")

    def commands(self) -> tuple[Command, ...]:
        return (Command(script(_BODY, file=self.file)),)
