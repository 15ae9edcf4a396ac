# Runs the work of one program under the long lock, detached from every connection. Its output is the spool.

set -f
root=$1 target=$2 name=$3 nonce=$4 locked=${5-}
state=$root/.deployer
home=$state/programs/$name
spool=$home/spool
on_failure=:
as_root=
unallowed=

say() { mark say "$@" || :; }

# The result comes first: whoever finds it without an end mark in the spool can still say how it ended.
finish() {
    note_line "$home/result" "$1" || { rm -f "$home/reserve" && note_line "$home/result" "$1"; }
    mark end "$1" || { rm -f "$home/reserve" && printf '\n' && mark end "$1"; }
    : >"$home/reserve"
    set -- "$home/archive" "$home/environment" "$home/sums" "$home/list" "$home/difference" "$home/index" "$home/git"
    for left in "$@"; do
        if [ -e "$left" ]; then rm -rf "$@" && break; fi
    done
    exit 0
}

fail() {
    failure=$1
    shift
    mark fail "$failure" "$(printf '%s' "$*" | tr '\n\036' '  ')" || :
    $on_failure
    finish "failed $failure"
}

checkpoint() {
    [ ! -e "$home/stop" ] || finish stopped
    IFS= read -r seen <"$state/fence" && IFS= read -r mine <"$home/fence" || fail fence "$state/fence cannot be read"
    [ "$mine" -ge "$seen" ] || fail fence "a newer deploy (fence $seen) has taken over this folder; this one had $mine"
}

# Waits for the long lock, unless it was started with it. Its holder's runner may have been killed: then its step is ended, and the lock comes free.
take_lock() {
    [ -z "$locked" ] || return 0
    exec 8>>"$home/step" 9>>"$state/lock"
    try_lock 8
    lock 9 4 && return 0
    say "another program is at work in this folder; waiting for it"
    waited=0
    until lock 9 20; do
        waited=$((waited + 1))
        [ "$waited" -lt 60 ] || fail lock "another program held the lock in $state for 60 seconds"
        checkpoint
        if IFS= read -r holder <"$state/holder"; then reap "$holder"; fi
    done
}

# watch LEADER LIMIT SILENCE: once a second, while the runner lives; most steps are over before the first look. The clock
# may be set meanwhile: a leap counts as one second.
watch() {
    spent=0 quiet=0 then= grown=
    while sleep 1 && kill -0 $$ 2>/dev/null; do
        now=$(date +%s)
        passed=$((now - (${then:-now - 1})))
        if [ "$passed" -lt 0 ] || [ "$passed" -gt 10 ]; then passed=1; fi
        spent=$((spent + passed)) quiet=$((quiet + passed)) then=$now
        measure "$spool"
        [ "$length" = "$grown" ] || quiet=0
        grown=$length
        reason=
        if [ "$3" -gt 0 ] && [ "$quiet" -ge "$3" ]; then reason=silence; fi
        if [ "$2" -gt 0 ] && [ "$spent" -ge "$2" ]; then reason=timeout; fi
        if [ -e "$home/stop" ]; then reason=stopped; fi
        [ "$reason" ] || continue
        printf '%s\n' "$reason" >"$home/reason"
        end_session "$1"
        return
    done
}

# The wrapper keeps the locks while the command runs, so that nothing overlaps a step whose runner was killed.
# The command itself has none of them, or a service that it starts would keep them for good.
wrapper='echo $$ >"$1"; shift; "$@" 8>&- 9>&-; exit $?'

# bounded LIMIT SILENCE PRELUDE COMMAND...: sets $code, and $reason when it was ended before its time.
bounded() {
    limit=$1 silence=$2 prelude=$3
    shift 3
    # by an earlier step of this program
    [ ! -e "$home/session" ] || rm -f "$home/reason" "$home/session"
    ($prelude && new_session sh -c "$wrapper" deployer "$home/session" "$@") </dev/null 7>&- &
    leader=$!
    # A subshell that closes them itself: a shell keeps copies of what is closed for a function only.
    (exec 7>&- 8>&- 9>&- </dev/null && watch "$leader" "$limit" "$silence") &
    watcher=$!
    wait "$leader" 2>/dev/null
    code=$?
    reason=
    if [ -e "$home/reason" ]; then
        wait "$watcher"
        IFS= read -r reason <"$home/reason" || reason=stopped
    else
        kill "$watcher" 2>/dev/null
        wait "$watcher" 2>/dev/null
    fi
}

# What only the host knows in full, as text like the other facts; a home may have any name.
own_fact() {
    case $2 in *\'*) set -- "$1" "$(printf '%s' "$2" | sed "s/'/'\\\\''/g")" ;; esac
    facts="${facts}export DEPLOYER_$1='$2'
"
}

own_facts() {
    own_fact ROOT "$root"
    own_fact RELEASE "$release"
    own_fact RELEASE_PATH "$path"
    own_fact CURRENT_PATH "$root/current"
    own_fact SHARED_PATH "$root/shared"
    own_fact REVISION "$revision"
}

in_release() {
    cd "$path" && eval "$facts" || return
    [ ! -f "$record/values" ] || . "$record/values"
}

# Through sudo the environment comes from a file: sudo clears it, and everyone can read arguments.
as_superuser='. "$1" && cd "$2" && shift 2 && exec "$@"'

# Where sudo looks (secure_path), then where we do; not by command -v, which has no path for what the shell has built in.
program_path() (
    case $1 in /*) echo "$1" && exit ;; esac
    IFS=:
    for folder in /usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin:$PATH; do
        for part in $folder; do [ ! -x "$part/$1" ] || { echo "$part/$1" && exit; }; done
    done
)

# unasked COMMAND: does sudo need no password for it? Sudo says yes to "may I" where it would then ask for one, so if it
# may ask for anything, all that it lists is looked at.
unasked() {
    if sudo -n -v </dev/null >/dev/null 2>&1; then return 0; fi
    sudo -n -l </dev/null 2>/dev/null | WANTED=$1 awk '
        sub(/^.*NOPASSWD: */, "") {
            count = split($0, allowed, /, /)
            for (i = 1; i <= count; i++)
                if (allowed[i] == "ALL" || substr(allowed[i], length(allowed[i]) - length(ENVIRON["WANTED"]) + 1) == ENVIRON["WANTED"]) found = 1
        }
        END { exit !found }'
}

# may_sudo ARGUMENTS WORDS...: notes the line that sudoers lacks for exactly these words; ARGUMENTS are as it spells them.
may_sudo() {
    allowing=$1
    shift
    has sudo || fail sudo "a step needs sudo, which is not on this host; install it, or take sudo off the step"
    where=$(program_path "$1")
    [ "$where" ] || fail sudo "a step runs $1 through sudo, but this host has no such program"
    line="$where${allowing:+ $allowing}"
    if sudo -n -l -- "$@" </dev/null >/dev/null 2>&1 && unasked "/${line#"${where%/*}/"}"; then return 0; fi
    line="$(id -un) ALL=(root) NOPASSWD: $line"
    say "sudoers lacks: $line"
    unallowed="$unallowed${unallowed:+ ; }$line"
}

may_sudo_shell() { may_sudo '' sh -c "$as_superuser" deployer "$home/environment" "$path" "$@"; }

need_sudo() {
    [ -z "$unallowed" ] || fail sudo "sudo does not let $(id -un) run without a password what this deploy needs; add by \"visudo -f /etc/sudoers.d/deployer\" on this host: $unallowed"
}

# step INDEX NAME LIMIT SILENCE SUDO COMMAND...
step() {
    checkpoint
    index=$1 title=$2 most=$3 quietest=$4 as_root=$5
    shift 5
    if [ "$as_root" = plain ]; then
        set -- sudo -n -- "$@"
    elif [ "$as_root" ]; then
        { printf '%s\n' "$facts" && { [ ! -f "$record/values" ] || cat "$record/values"; }; } >"$home/environment" || fail disk "$home/environment cannot be written"
        set -- sudo -n -- sh -c "$as_superuser" deployer "$home/environment" "$path" "$@"
    fi
    mark step begin "$index" "$title" || fail disk "the log of this deploy cannot be written to $home"
    bounded "$most" "$quietest" in_release "$@"
    as_root=
    mark step end "$index" "$code" || fail disk "the log of this deploy cannot be written to $home"
    case $reason in
    stopped) finish stopped ;;
    timeout) fail timeout "step \"$title\" ran longer than its limit of $most seconds and was ended" ;;
    silence) fail silence "step \"$title\" printed nothing for $quietest seconds, its limit, and was ended" ;;
    esac
    [ "$code" -eq 0 ] || fail step "step \"$title\" ended with exit code $code"
}

# Both live in the record of the release; a release is ours if it has one.
need_release() {
    [ -f "$record/prepared" ] && [ -d "$path" ] || fail release "release $release is not (or no longer) prepared on this host"
}

# A program that names no release works in the one that serves.
take_live() {
    live_release
    [ "$live" ] && [ -d "$root/releases/$live" ] || fail release "nothing that was deployed serves in $root yet"
    release=$live
    [ ! -f "$root/current/REVISION" ] || IFS= read -r revision <"$root/current/REVISION" || :
}

# The shell has read all of this program by now, and it may hold what nobody else is to read.
begin() {
    : >"$home/program"
    umask "$mask"
    cd "$root" || fail release "$root cannot be entered"
    take_lock
    note_line "$state/holder" "$name" || fail disk "cannot write to $state"
    checkpoint
    [ "$release" ] || take_live
    path=$root/releases/$release
    record=$state/releases/$release
    own_facts
    work
    finish ok
}
