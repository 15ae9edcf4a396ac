from dataclasses import dataclass

from environments.parameters import Line, RelativePath, Several
from environments.phases import Phase
from environments.preset import Command, Preset, parameter
from environments.shell_text import script

_BODY = r"""
digest() {
    if command -v sha256sum >/dev/null 2>&1; then sha256sum
    elif command -v shasum >/dev/null 2>&1; then shasum -a 256
    elif command -v openssl >/dev/null 2>&1; then openssl dgst -sha256 -r
    else perl -MDigest::SHA -e 'print Digest::SHA->new(256)->addfile(*STDIN)->hexdigest'
    fi | cut -c 1-8
}
cd "$folder" || die "$folder is no folder of this release."
list=.$manifest.new
# One that ran before has left versions, which get none of their own.
is_version() { [ -f "$manifest" ] && grep -F -q "\": \"$1\"" "$manifest"; }
find . -type f ! -name '*.gz' -print | sort | {
    comma='' count=0
    echo '{'
    while IFS= read -r file; do
        file=${file#./}
        case " $extensions " in *" ${file##*.} "*) ;; *) continue ;; esac
        case $file in *[\"\\]*) die "This name cannot stand in a manifest: $file" ;; esac
        if is_version "$file"; then continue; fi
        sum=$(digest <"$file") && [ "${#sum}" -eq 8 ] || die "$file could not be read."
        version=${file%.*}-$sum.${file##*.}
        cp -p "$file" "$version" || die "$version could not be written."
        [ ! -f "$file.gz" ] || cp -p "$file.gz" "$version.gz" || die "$version.gz could not be written."
        printf '%s  "%s": "%s"' "$comma" "$file" "$version"
        comma=',
' count=$((count + 1))
    done
    printf '\n}\n'
    [ "$count" -gt 0 ] || die "There is no file to version in $folder."
} >"$list" || { rm -f "$list"; exit 1; }
mv -f "$list" "$manifest" || exit 1
echo "$(grep -c '": "' "$manifest") files"
"""


@dataclass(frozen=True, kw_only=True)
class AssetVersion(Preset):
    """Gives each asset a second name with its checksum, as `app-1f3b09ac.css`, so that browsers may keep it for ever.

    A manifest in JSON says which name stands for which: `{"app.css": "app-1f3b09ac.css"}`.
    """

    phases = (Phase.PREPARE,)
    example = {"folder": "public/build"}

    folder: str = parameter(RelativePath(), "A folder of the release.")
    extensions: tuple[str, ...] = parameter(
        Several(Line(r"[a-z0-9]{1,10}", "the end of a file's name, as css")),
        "Which files.",
        ("css", "js", "svg", "png", "jpg", "woff2"),
    )
    manifest: str = parameter(
        Line(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,99}", "a file name"), "The manifest, in that folder.", "manifest.json"
    )

    def commands(self) -> tuple[Command, ...]:
        which = " ".join(self.extensions)
        return (Command(script(_BODY, folder=self.folder, extensions=which, manifest=self.manifest)),)
