# Leaves this folder to Capistrano. Every act is whole by itself: after an end in between, the same again finishes it.

set -f
umask 077
root=$1 target=$2 fence=$3 nonce=$4
expand_root
[ -z "$5" ] || PATH=$5:$PATH
export PATH
mask=022 home=
state=$root/.deployer

refuse_if_at_work() {
    for program in $(ls "$state/programs" 2>/dev/null); do
        if held "$state/programs/$program/alive" || held "$state/programs/$program/step"; then
            refuse lock "$program is still at work in this folder"
        fi
    done
}

# Capistrano compares the text of the link with full paths before it cleans up; ours is relative.
lengthen_link() {
    live_release
    [ "$(link_text "$root/current" 2>/dev/null)" = "releases/$live" ] || return 0
    rm -f "$state/next-leave"
    ln -s "$root/releases/$live" "$state/next-leave" && replace "$state/next-leave" "$root/current" ||
        refuse root "the link $root/current could not be replaced"
}

# Capistrano takes only names of 14 digits for releases. What serves keeps its name: programs run from there.
rename_release() {
    plain=${old%-*}
    if [ "$old" = "$live" ] || [ -e "$root/releases/$plain" ]; then
        mark kept "$old"
    elif [ -e "$state/releases/$old/good" ]; then
        mv "$root/releases/$old" "$root/releases/$plain" || refuse root "release $old could not be renamed"
        mark renamed "$old" "$plain"
    else
        mv "$root/releases/$old" "$state/trash-$old.$$" || refuse root "release $old could not be removed"
        mark removed "$old"
    fi
}

leave_releases() {
    for old in $(ls "$state/releases" 2>/dev/null | grep -E '^[0-9]{14}-[0-9a-f]{7}$'); do
        if [ -d "$root/releases/$old" ]; then rename_release; fi
    done
}

# Capistrano goes back to the second newest folder by time. Newest is what serves; what was rolled back from is put last.
order_releases() {
    digits=${live%%-*}
    case $digits in *[!0-9]* | '') return 0 ;; ??????????????) ;; *) return 0 ;; esac
    for old in $(ls "$root/releases" | grep -E '^[0-9]{14}(-[0-9a-f]{7})?$'); do
        if [ "${old%%-*}" -gt "$digits" ]; then touch -t 200001010000 "$root/releases/$old" || :; fi
    done
    touch "$root/releases/$live"
} 2>/dev/null

# A mirror that Capistrano made has a remote; without one it could not use ours, and makes its own.
leave_mirror() {
    if [ ! -f "$root/repo/config" ]; then return 0; fi
    if ! grep -q '^\[remote ' "$root/repo/config"; then
        grep -qs refs/deployer/ "$root/repo/packed-refs" || [ -d "$root/repo/refs/deployer" ] || return 0
        mv "$root/repo" "$state/trash-repo.$$" && mark mirror removed
    elif has git; then
        git --git-dir="$root/repo" for-each-ref --format='delete %(refname)' refs/deployer |
            git --git-dir="$root/repo" update-ref --stdin && mark mirror kept
    fi
}

forget_us() {
    [ ! -d "$state" ] || mv "$state" "$root/.deployer-left-$$" || refuse root "$state could not be removed"
    set +f
    for rest in "$root"/.deployer-left-*; do
        [ ! -e "$rest" ] || rm -rf "$rest" 2>/dev/null || mark rest "$rest"
    done
    set -f
}

if [ -d "$state" ]; then
    need_tools
    pass_gate
    exec 9>>"$state/lock"
    lock 9 100 || refuse lock "another program is at work in this folder"
    pass_gate
    refuse_if_at_work
    lengthen_link
    leave_releases
    order_releases
    leave_mirror
fi
live_release
forget_us
mark left "${live:--}"
