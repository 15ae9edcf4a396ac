# How a host looks to somebody who is about to deploy to it; after probe. Looks, and writes nothing.

# By what sudo lists: `sudo -v` would write a time stamp.
tell_sudo() {
    if ! has sudo; then mark sudo none; return 0; fi
    allowed=$(LC_ALL=C sudo -n -l </dev/null 2>/dev/null) || allowed=
    case $allowed in
    *'NOPASSWD: ALL'*) mark sudo all ;;
    *NOPASSWD*) mark sudo some ;;
    *) mark sudo asks ;;
    esac
}

tell_layout() {
    releases=0
    for entry in "$root"/releases/[0-9][0-9][0-9][0-9][0-9][0-9][0-9][0-9][0-9][0-9][0-9][0-9][0-9][0-9]*; do
        [ ! -d "$entry" ] || releases=$((releases + 1))
    done
    first_line "$state/target"
    if [ "$line" ]; then
        mark layout ours "$releases" "$line"
    elif [ "$releases" -gt 0 ] && [ -L "$root/current" ]; then
        mark layout capistrano "$releases"
    elif [ -d "$root" ] && [ "$(ls -A "$root" 2>/dev/null | head -n 1)" ]; then
        mark layout other 0
    else
        mark layout nothing 0
    fi
}

# tell_absent NAMES: linked files that are not there yet; two slashes stand between names.
tell_absent() {
    rest=$1 absent=
    while [ "$rest" ]; do
        case $rest in
        *//*) file=${rest%%//*} rest=${rest#*//} ;;
        *) file=$rest rest= ;;
        esac
        [ -f "$root/shared/$file" ] || absent=$absent//$file
    done
    [ -z "$absent" ] || mark absent "${absent#//}"
}

tell_absent "$4"
set +f
observe_live
tell_layout
tell_sudo
mark who "$(id -un)"
mark examined
