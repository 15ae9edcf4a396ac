from dataclasses import dataclass

from environments.parameters import RelativePath, Truth
from environments.phases import Phase
from environments.preset import Command, Preset, parameter
from environments.shell_text import script

_BODY = """
from=$DEPLOYER_SHARED_PATH/$file
[ -r "$from" ] || die "$from is not there, or cannot be read; put the configuration there, then deploy again."
if [ "$export" ]; then
    (set -a && . "$from") >/dev/null || die "$from cannot be loaded; each line must be NAME=value."
fi
[ "$to" ] || exit 0
case $to in */*) mkdir -p "$DEPLOYER_RELEASE_PATH/${to%/*}" || exit 1 ;; esac
to=$DEPLOYER_RELEASE_PATH/$to
rm -f "$to.new" && cp "$from" "$to.new" && chmod 600 "$to.new" && mv -f "$to.new" "$to" || die "$to cannot be written."
echo "$to"
"""
_PRELUDE = """\
if [ -r "$DEPLOYER_SHARED_PATH"/{file} ]; then set -a; . "$DEPLOYER_SHARED_PATH"/{file}; set +a; fi
"""


@dataclass(frozen=True, kw_only=True)
class LoadConfiguration(Preset):
    """Gives the steps after it the variables of a file on the host, or puts that file into the release, or both.

    The file holds lines of NAME=value as the shell reads them. Steps that run through sudo get none of it: root does
    not read what others may write. What it holds never reaches the Deployer.
    """

    phases = (Phase.PREPARE,)
    example = {"file": "production.env", "to": ".env"}

    file: str = parameter(RelativePath(), "The file, below the shared folder.", ".env")
    export: bool = parameter(Truth(), "Whether later steps get its variables.", True)
    to: str = parameter(RelativePath(), "Where it is put in the release, for its owner only; empty: nowhere.", "")

    def problem(self) -> str:
        return "" if self.export or self.to else "There is nothing to do: neither export nor to is given."

    def commands(self) -> tuple[Command, ...]:
        return (Command(script(_BODY, file=self.file, export=self.export, to=self.to)),)

    def prelude(self) -> str:
        # the path is of plain characters (RelativePath), so it needs no quotes
        return _PRELUDE.format(file=self.file) if self.export else ""
