# The fence: a short lock, the highest number that this folder has seen, and whose folder it is.

refuse() {
    mark refused "$1" "$(printf '%s' "$2" | tr '\n\036' '  ')"
    exit 3
}

refuse_write() {
    case $1 in
    *'o space left'* | *uota*) refuse disk "$1" ;;
    *) refuse root "$1" ;;
    esac
}

need_tools() {
    find_lacking
    [ -z "$lacking" ] ||
        refuse tools "this host lacks $lacking${broken:+, and $broken}; install that, or ${broken:+mend its }perl, which stands in for all but tar"
}

# Makes the folders and files that all programs share, if this is the first one here.
open_state() {
    # `true`, for a special builtin would end the shell when the disk has become read-only, without a word
    if [ -d "$state/releases" ] && [ -f "$state/lock" ] && [ -f "$state/gate" ] && true 2>/dev/null >>"$state/gate"; then
        return 0
    fi
    problem=$( (umask "$mask" && mkdir -p "$root") 2>&1) || refuse_write "$problem"
    problem=$(mkdir -p "$state/programs" "$state/archives" "$state/releases" 2>&1) || refuse_write "$problem"
    problem=$(touch "$state/gate" "$state/lock" 2>&1) || refuse_write "$problem"
}

enter_gate() {
    exec 6>>"$state/gate"
    lock 6 200 || refuse lock "another program has held the short lock in $state for 10 seconds"
}

leave_gate() { exec 6>&-; }

highest_fence() {
    seen=0
    [ ! -f "$state/fence" ] || IFS= read -r seen <"$state/fence" || :
    case $seen in '' | *[!0-9]*) refuse root "$state/fence is damaged; it must hold one number" ;; esac
}

# Is this still the newest claim? For what does no harm when a newer one comes right after.
check_claim() {
    if [ -f "$state/target" ]; then
        IFS= read -r owner <"$state/target" || :
        [ "$owner" = "$target" ] || refuse target "$owner"
    fi
    highest_fence
    [ "$fence" -ge "$seen" ] || refuse fence "$seen"
}

# To be called inside the gate: refuses another target's folder and an older claim, and records a newer one.
claim() {
    [ -f "$state/target" ] || keep_line "$state/target" "$target" || refuse disk "cannot write $state/target"
    check_claim
    # A running program goes with its newest claim, and must never find the folder's fence above its own.
    if [ "$home" ] && [ -d "$home" ]; then
        known=
        [ ! -f "$home/fence" ] || IFS= read -r known <"$home/fence" || :
        [ "$known" = "$fence" ] || keep_line "$home/fence" "$fence" || refuse disk "cannot write $home/fence"
    fi
    [ "$fence" -eq "$seen" ] || keep_line "$state/fence" "$fence" || refuse disk "cannot write $state/fence"
}

pass_gate() {
    enter_gate
    claim
    leave_gate
}
