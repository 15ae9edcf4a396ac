from dataclasses import dataclass

from environments.parameters import Line, RelativePath, Several, Shell, Truth
from environments.phases import Phase
from environments.preset import Command, Preset, Usual, parameter
from environments.shell_text import script

# Files are replaced, never written to: a release may share unchanged files with the one before.
_BODY = """
for folder; do [ -d "$folder" ] || die "$folder is no folder of this release."; done
find "$@" -type f ! -name '*.min.*' ! -name '*.new' -print | sort | {
    count=0
    while IFS= read -r file; do
        case " $extensions " in *" ${file##*.} "*) ;; *) continue ;; esac
        if [ "$minify" ]; then
            cp -p "$file" "$file.new" && minify <"$file" >"$file.new" || die "$file could not be minified."
            [ -s "$file.new" ] || [ ! -s "$file" ] || die "Nothing is left of $file."
            mv -f "$file.new" "$file" || exit 1
        fi
        if [ "$compress" ]; then
            gzip -9 -c <"$file" >"$file.gz.new" && mv -f "$file.gz.new" "$file.gz" || die "$file: gzip failed."
        fi
        count=$((count + 1))
    done
    echo "$count files"
    [ "$count" -gt 0 ] || die "There is no file to minify in $*."
}
"""


@dataclass(frozen=True, kw_only=True)
class AssetMinify(Preset):
    """Minifies assets with a tool of yours, and puts a compressed copy (`.gz`) beside each.

    Files named `*.min.*` are left alone. A web server takes the copies by itself with nginx's `gzip_static on`.
    """

    phases = (Phase.PREPARE,)
    usual = Usual(time_limit=1800)
    example = {"folders": ["public/css", "public/js"], "tool": "npx esbuild --minify --loader=${file##*.}"}

    folders: tuple[str, ...] = parameter(Several(RelativePath()), "Folders of the release.")
    extensions: tuple[str, ...] = parameter(
        Several(Line(r"[a-z0-9]{1,10}", "the end of a file's name, as css")), "Which files.", ("css", "js", "svg")
    )
    tool: str = parameter(
        Shell(), "Reads a file on its input and writes it smaller on its output; `$file` is its name.", ""
    )
    compress: bool = parameter(Truth(), "Whether to put a `.gz` beside each file.", True)

    def problem(self) -> str:
        return "" if self.tool or self.compress else "There is nothing to do: neither a tool nor compress is given."

    def commands(self) -> tuple[Command, ...]:
        tool = f"minify() {{\n{self.tool or ':'}\n}}\n"
        which = " ".join(self.extensions)
        work = script(_BODY, *self.folders, extensions=which, minify=bool(self.tool), compress=self.compress)
        return (Command(tool + work),)
