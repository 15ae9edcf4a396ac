# After the switch: marks the release, and removes old ones.

need_live() {
    need_release
    if serves "$release"; then return 0; fi
    live_release
    fail release "release $release does not serve on this host; ${live:-nothing} does"
}

mark_good() {
    [ ! -e "$record/bad" ] || rm -f "$record/bad"
    note_line "$record/good" "$1" || fail disk "cannot write $record/good"
}

mark_bad() {
    rm -f "$record/good"
    note_line "$record/bad" "$deploy" || say "$release could not be marked bad"
    clean_up
}

remove_release() {
    mv -f "$root/releases/$1" "$state/trash-$1.$$" || return 1
    mark removed "$1"
    say "removed release $1"
    rm -rf "$state/trash-$1.$$" "$state/releases/$1" || say "parts of release $1 could not be removed; they are in $state/trash-$1.$$"
}

# Sets $names: the releases with a name of ours, newest first.
own_releases() {
    names= digit='[0-9]' hex='[0-9a-f]'
    two=$digit$digit
    pattern=$two$two$two$two$two$two$two-$hex$hex$hex$hex$hex$hex$hex
    set +f
    for entry in "$state/releases"/*; do
        entry=${entry##*/}
        case $entry in $pattern) names="$entry $names" ;; esac
    done
    set -f
}

# Sets $recent: the two releases that were found good last; after a rollback these are not the two newest.
recently_good() {
    recent=
    for old in $(cd "$state/releases" && set +f && ls -t -- */good 2>/dev/null); do
        recent="$recent ${old%/good}"
        case $recent in *" "*" "*) break ;; esac
    done
}

# Kept: what serves, the newest two good ones, the two found good last, $protect, and of the others as many as make $keep
# in all. Those that never proved good go first, the oldest before the others. Only what has our record is looked at.
clean_releases() {
    live_release
    own_releases
    counted=0 good=0 doubtful= proved=
    for old in $names; do
        if [ ! -d "$root/releases/$old" ]; then
            rm -rf "$state/releases/$old"
            continue
        fi
        counted=$((counted + 1))
        stays=
        case " $live $release $protect " in *" $old "*) stays=yes ;; esac
        if [ -e "$state/releases/$old/good" ]; then
            good=$((good + 1))
            [ "$stays" ] || [ "$good" -le 2 ] || proved="$old $proved"
        else
            [ "$stays" ] || doubtful="$old $doubtful"
        fi
    done
    recent=
    [ "$counted" -le "$keep" ] || [ ! "$proved" ] || recently_good
    for old in $doubtful $proved; do
        [ "$counted" -gt "$keep" ] || break
        case "$recent " in *" $old "*) continue ;; esac
        counted=$((counted - 1))
        remove_release "$old" || say "release $old could not be removed"
    done
}

# Sets $fetched: the revisions that the mirror has a ref of. Read where git keeps refs, which needs no git.
fetched_revisions() {
    fetched=
    if [ -d "$root/repo/reftable" ]; then
        fetched=$(git --git-dir="$root/repo" for-each-ref --format='%(refname:lstrip=2)' refs/deployer 2>/dev/null)
        return
    fi
    set +f
    for ref in "$root/repo/refs/deployer"/*; do fetched="$fetched ${ref##*/}"; done
    set -f
    [ -f "$root/repo/packed-refs" ] || return 0
    while IFS=' ' read -r _ ref; do
        case $ref in refs/deployer/*) fetched="$fetched ${ref##*/}" ;; esac
    done <"$root/repo/packed-refs"
}

# Refs of revisions that no release has any more go, or their objects would stay for ever. Some at a time, for git is a
# process.
clean_mirror() {
    [ -f "$root/repo/HEAD" ] && has git || return 0
    fetched_revisions
    needed=" "
    set +f
    for old in "$state/releases"/*/revision; do
        IFS= read -r sha 2>/dev/null <"$old" && needed="$needed$sha "
    done
    set -f
    set --
    for sha in $fetched; do
        case $sha in *[!0-9a-f]*) continue ;; esac
        case $needed in *" $sha "*) ;; *) set -- "$@" "$sha" ;; esac
    done
    [ "$#" -ge 10 ] || return 0
    printf 'delete refs/deployer/%s\n' "$@" |
        git --git-dir="$root/repo" -c core.hooksPath=/dev/null update-ref --stdin 2>/dev/null ||
        say "refs of releases that are gone could not be removed from $root/repo"
}

clean_programs() {
    set +f
    set -- "$state/programs"/*
    set -f
    [ "$#" -gt 30 ] || return 0
    for old in $(ls -t "$state/programs" | tail -n +21); do
        if [ "$old" != "$name" ] && ! held "$state/programs/$old/alive" && ! held "$state/programs/$old/step"; then
            rm -rf "$state/programs/$old"
        fi
    done
}

clean_up() {
    cd "$root" || return 0
    clean_releases
    clean_mirror
    clean_programs
}
