# What Capistrano left in this folder: looks, and writes nothing.

# The time of the link itself, in seconds.
link_time() { stat -c %Y "$1" 2>/dev/null || stat -f %m "$1" 2>/dev/null || perl -e 'print +(lstat $ARGV[0])[9]' "$1" 2>/dev/null; }

tell_live() {
    live_release
    there=$(cd "$root/current" 2>/dev/null && pwd -P)
    if [ -z "$there" ]; then
        mark current -
    elif [ "$there" = "$(cd "$root/releases/$live" 2>/dev/null && pwd -P)" ]; then
        since=$(link_time "$root/current")
        case $since in '' | *[!0-9]*) since=- ;; esac
        mark current "$live" "$since"
    else
        mark outside "$(printf '%s' "$there" | tr '\n\036' '  ')"
    fi
}

tell_releases() {
    strange=0
    for entry in $(ls "$root/releases" 2>/dev/null | sed 's/[^0-9A-Za-z._-]/?/g'); do
        case $entry in
        *[!0-9]* | '') strange=$((strange + 1)) ;;
        ??????????????) tell_release "$entry" ;;
        *) strange=$((strange + 1)) ;;
        esac
    done
    mark strange "$strange"
}

tell_release() {
    if [ -L "$root/releases/$1" ] || [ ! -d "$root/releases/$1" ]; then return 0; fi
    first_line "$root/releases/$1/REVISION"
    case $line in *[!0-9a-f]* | '') line=- ;; esac
    mark release "$1" "$line"
}

# The newest lines; each is a mark, so that nothing in the file can be taken for another one.
tell_log() {
    [ -f "$root/revisions.log" ] || return 0
    mark lines "$(wc -l <"$root/revisions.log" | tr -d ' ')"
    tail -n 2000 "$root/revisions.log" | tr -d '\036\015' | while IFS= read -r line; do mark log "$line"; done
}

if [ -d "$root" ]; then
    first_line "$state/target"
    [ -z "$line" ] || mark owner "$line"
    tell_live
    tell_releases
    tell_log
    mark told
else
    mark nothing
fi
