# Takes up a release that another tool laid out: our own record is written, the release itself stays as it is.

# Sets $said: the revision by the release's own file, or by the line that Capistrano wrote of it.
read_revision() {
    said=
    [ ! -f "$root/releases/$release/REVISION" ] || IFS= read -r said <"$root/releases/$release/REVISION" || :
    if [ -z "$said" ] && [ -f "$root/revisions.log" ]; then
        said=$(sed -n "s/.* (at \([0-9a-f]*\)) deployed as release $release by .*/\1/p" "$root/revisions.log" | tail -n 1)
    fi
    case $said in *[!0-9a-f]*) said= ;; esac
}

# Fails with an $objection. Older Capistranos wrote shortened revisions, so the beginning must agree. The record comes
# whole under its name; what an end in between leaves goes with the other trash.
adopt() {
    case $release in *[!0-9]*) return 0 ;; esac
    if [ -d "$state/releases/$release" ] || [ ! -d "$root/releases/$release" ]; then return 0; fi
    objection="release $release is a link, not a folder; only a folder can be gone back to"
    [ ! -L "$root/releases/$release" ] || return 1
    read_revision
    objection="neither REVISION nor revisions.log tells the revision of release $release"
    [ "${#said}" -ge 7 ] || return 1
    objection="release $release holds revision $said, not $revision"
    case $revision in "$said"*) ;; *) return 1 ;; esac
    objection="cannot write the record of release $release to $state"
    taken=$state/trash-$release.$$
    mkdir "$taken" && note_line "$taken/foreign" Capistrano && note_line "$taken/revision" "$revision" &&
        note_line "$taken/prepared" "$revision" && mv "$taken" "$state/releases/$release"
}
