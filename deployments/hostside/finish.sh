# After the switch: marks the release, and removes old ones.

need_live() {
    need_release
    live_release
    [ "$live" = "$release" ] || fail release "release $release does not serve on this host; ${live:-nothing} does"
}

mark_good() {
    rm -f "$record/bad"
    keep_line "$record/good" "$1" || fail disk "cannot write $record/good"
}

mark_bad() {
    rm -f "$record/good"
    keep_line "$record/bad" "$deploy" || say "$release could not be marked bad"
    clean_up
}

remove_release() {
    mv -f "$root/releases/$1" "$state/trash-$1.$$" || return 1
    rm -rf "$state/releases/$1"
    mark removed "$1"
    say "removed release $1"
    rm -rf "$state/trash-$1.$$" || say "parts of release $1 could not be removed; they are in $state/trash-$1.$$"
}

# Kept: what serves, the last two good ones, the newest $keep, and $protect. Only what has our record is looked at.
clean_releases() {
    live_release
    counted=0 good=0
    for old in $(ls "$state/releases" | grep -E '^[0-9]{14}-[0-9a-f]{7}$' | sort -r); do
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
