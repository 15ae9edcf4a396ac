# Ending a step with everything that it started.

# members SESSION: its living processes. Without /proc: its process group and the leader's descendants.
members() {
    if [ -r /proc/self/stat ]; then
        { set +f && cat /proc/[0-9]*/stat; } 2>/dev/null | sed 's/^\([0-9]*\) (.*) /\1 /' |
            awk -v session="$1" '$2 != "Z" && $5 == session { print $1 }'
    else
        ps -A -o pid= -o ppid= -o pgid= -o stat= | awk -v session="$1" '
            { parent[$1] = $2; group[$1] = $3; state[$1] = $4 }
            END {
                for (pid in parent) {
                    at = pid
                    for (depth = 0; depth < 64 && at > 1 && at != session; depth++) at = parent[at]
                    if ((at == session || group[pid] == session) && state[pid] !~ /^Z/) print pid
                }
            }'
    fi
}

signal_all() {
    kill "-$1" $2 2>/dev/null || { [ "${as_root-}" ] && sudo -n kill "-$1" $2 2>/dev/null; } || :
}

# end_session SESSION: TERM, and after 5 seconds KILL. Says what could not be ended.
end_session() {
    for signal in TERM KILL; do
        rounds=0
        signalled=
        while [ "$rounds" -lt 50 ]; do
            left=$(members "$1" | tr '\n' ' ')
            [ "$left" ] || return 0
            [ "$signalled" ] || signal_all "$signal" "$left"
            signalled=yes
            rounds=$((rounds + 1))
            nap 1
        done
    done
    mark say "still running after KILL: process $left"
    return 1
}

# reap PROGRAM: ends the step of a runner that died. The lock on the step's file says that the number still is its.
reap() {
    if held "$state/programs/$1/alive" || ! held "$state/programs/$1/step"; then return 0; fi
    IFS= read -r orphan <"$state/programs/$1/session" || return 0
    case $orphan in '' | *[!0-9]*) return 0 ;; esac
    end_session "$orphan"
}
