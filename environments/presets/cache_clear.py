from dataclasses import dataclass

from environments.parameters import RelativePath, Several, Shell
from environments.phases import Phase
from environments.preset import Command, Preset, Usual, parameter
from environments.shell_text import block, script

# A folder may be a link into the shared ones, but whatever it is, it must lie below the target's root.
_BODY = """
top=$(cd -P "$DEPLOYER_ROOT" && pwd -P) || exit 1
for folder; do
    [ -d "$folder" ] || continue
    real=$(cd -P "$folder" && pwd -P) || die "$folder cannot be entered."
    case $real/ in
    "$top/releases/"?*/?* | "$top/shared/"?*) ;;
    *) die "$folder leads to $real, which is not below $top; it was not emptied." ;;
    esac
    (cd -P "$folder" && rm -rf -- ./* ./.[!.]* ./..?*) || die "$folder could not be emptied."
    echo "$folder is empty"
done
"""


@dataclass(frozen=True, kw_only=True)
class CacheClear(Preset):
    """Empties cache folders, or runs the command that clears the application's cache, or both."""

    usual = Usual(phase=Phase.RESTART)
    phases = (Phase.PREPARE, Phase.RESTART, Phase.AFTER)
    example = {"folders": ["var/cache"], "command": "bin/console cache:pool:clear --all"}

    folders: tuple[str, ...] = parameter(
        Several(RelativePath(), least=0), "Folders of the release, or shared ones linked into it.", ()
    )
    command: str = parameter(Shell(), "What clears the rest.", "")

    def problem(self) -> str:
        return "" if self.folders or self.command else "There is nothing to do: neither folders nor command is given."

    def commands(self) -> tuple[Command, ...]:
        work = block(self.command) if self.command else ""
        return (Command(work + (script(_BODY, *self.folders) if self.folders else "")),)
