# Says what is there, and writes nothing.

set -f
root=$1 nonce=$2
expand_root
[ -z "$3" ] || PATH=$3:$PATH
export PATH
state=$root/.deployer

first_line() {
    line=
    [ ! -f "$1" ] || IFS= read -r line <"$1" || :
    line=$(printf '%s' "$line" | tr -d '\036')
}

observe_live() {
    live_release
    mark current "${live:--}"
    first_line "$state/releases/$live/revision"
    [ "$line" ] || first_line "$root/current/REVISION"
    case $line in *[!0-9a-f]* | '') line=- ;; esac
    mark revision "$line"
    first_line "$state/fence"
    mark fence "${line:-0}"
}

observe_releases() {
    for release in $(ls "$state/releases" 2>/dev/null); do
        [ -d "$root/releases/$release" ] || continue
        word=partial
        [ ! -e "$state/releases/$release/prepared" ] || word=prepared
        [ ! -e "$state/releases/$release/good" ] || word=good
        [ ! -e "$state/releases/$release/bad" ] || word=bad
        mark release "$release" "$word"
    done
}

observe_programs() {
    for program in $(ls "$state/programs" 2>/dev/null); do
        first_line "$state/programs/$program/result"
        if [ "$line" ]; then
            word=ended
        elif held "$state/programs/$program/alive"; then
            word=running
        else
            word=lost
        fi
        mark program "$program" "$word" "${line:--}"
    done
}

observe_tools() {
    there=
    for tool in sh tar git perl flock setsid sha256sum shasum openssl head sudo; do
        if has "$tool"; then there="$there $tool"; fi
    done
    if has perl && ! perl -e 0 2>/dev/null; then there=$(printf '%s' "$there" | sed 's/ perl//'); fi
    if moves_links; then there="$there mv-T"; fi
    mark tools "${there# }"
}
