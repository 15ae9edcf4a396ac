# After the switch: marks the release, and removes old ones.

need_live() {
    need_release
    live_release
    [ "$live" = "$release" ] || fail release "release $release does not serve on this host; ${live:-nothing} does"
}

mark_good() {
    [ ! -e "$record/bad" ] || rm -f "$record/bad"
    keep_line "$record/good" "$1" || fail disk "cannot write $record/good"
}

mark_bad() {
    rm -f "$record/good"
    keep_line "$record/bad" "$deploy" || say "$release could not be marked bad"
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

# Kept: what serves, the last two good ones, the newest $keep, and $protect. Only what has our record is looked at.
clean_releases() {
    live_release
    counted=0 good=0
    own_releases
    for old in $names; do
        if [ ! -d "$root/releases/$old" ]; then
            rm -rf "$state/releases/$old"
            continue
        fi
        stays=
        counted=$((counted + 1))
        [ "$counted" -gt "$keep" ] || stays=yes
        if [ -e "$state/releases/$old/good" ] && [ "$good" -lt 2 ]; then
            good=$((good + 1))
            stays=yes
        fi
        case " $live $release $protect " in *" $old "*) stays=yes ;; esac
        [ "$stays" ] || remove_release "$old" || say "release $old could not be removed"
    done
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
    clean_programs
}
