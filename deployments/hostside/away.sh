# An endpoint may be taken away before anything has served in it: then there is nothing to stop.
take_live() {
    live_release
    [ "$live" ] && [ -d "$root/releases/$live" ] || return 0
    release=$live
    [ ! -f "$root/current/REVISION" ] || IFS= read -r revision <"$root/current/REVISION" || :
}
