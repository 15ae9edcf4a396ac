# Arms a host, waits for one word, and renames the link. Attached: no word means no switch. What flip.pl has declined, it
# goes on with once the host is armed.

set -f
umask 077
root=$1 target=$2 name=$3 fence=$4 nonce=$5 release=$6 revision=$7 number=$8 by=$9 seconds=${10} quiet=${11}
flipper=${12-}
expand_root
mask=022 home=
state=$root/.deployer
next= reader= timer=

unarm() {
    [ -z "$timer" ] || kill "$timer" 2>/dev/null
    [ -z "$reader" ] || kill "$reader" 2>/dev/null
    [ ! -L "$next" ] || rm -f "$next"
}

stay() {
    mark not-switched "$1"
    exit 1
}

check_release() {
    adopt || refuse release "$objection"
    [ -f "$state/releases/$release/prepared" ] && [ -d "$root/releases/$release" ] ||
        refuse release "release $release is not prepared on this host"
    IFS= read -r prepared <"$state/releases/$release/prepared"
    [ "$prepared" = "$revision" ] || refuse release "release $release was prepared for revision $prepared, not $revision"
    if [ -e "$root/current" ] && [ ! -L "$root/current" ]; then
        refuse root "$root/current is not a link; move it away first"
    fi
}

# Exit code 0: the word came in time. Time is a process, for read itself knows none; the reader ends it when anything came.
# No signal is trapped anywhere here: one that comes while a shell with traps forks can be lost.
await_word() {
    sleep "$seconds" 3<&- 9>&- >/dev/null &
    timer=$!
    (exec 9>&- && IFS= read -r word && [ "$word" = flip ] && kill "$timer" || { kill "$timer" && exit 1; }) <&3 &
    reader=$!
    if wait "$timer"; then return 1; fi
    wait "$reader"
}

# Time as "seconds UTC milliseconds"; the last only where date knows it.
read_clock() {
    set -- $(date -u '+%s %Y-%m-%dT%H:%M:%S %3N')
    case ${3-x} in *[!0-9]* | '') epoch=$1 iso=${2}Z ;; *) epoch=$1$3 iso=$2.${3}Z ;; esac
}

flip() {
    enter_gate
    highest_fence
    [ "$fence" -ge "$seen" ] || stay "a newer deploy (fence $seen) has taken over this folder"
    if [ "$live" != "$release" ]; then
        replace "$next" "$root/current" || stay "the link $root/current could not be replaced"
        serves "$release" || stay "the link $root/current did not change"
    fi
    leave_gate
    read_clock
    [ "$live" = "$release" ] || record_switch
    mark switched "${live:--}" "$epoch"
    exit 0
}

record_switch() {
    printf '%s\n' "$epoch $fence $name ${live:--} $release" >>"$state/journal"
    umask 022
    printf '%s\n' "$iso $release $revision was ${live:--} deploy $number by $by" >>"$root/revisions.log"
}

exec 3<&0
trap unarm EXIT
need_tools
open_state
exec 9>>"$state/lock"
try_lock 9 || {
    # the holder sees the newer claim and ends before its next step
    pass_gate
    lock 9 100 || refuse lock "another program is at work in this folder"
}
pass_gate
check_release
live_release
set +f
for left in "$state"/next-*; do
    [ ! -L "$left" ] || rm -f "$left"
done
set -f
next=$state/next-$name
ln -s "releases/$release" "$next" 2>/dev/null || refuse disk "cannot make $next"
exec 2>/dev/null
if [ "$flipper" ]; then
    exec perl -C0 -e "$flipper" "$flipper" '' "$root" "$target" "$name" "$fence" "$nonce" "$release" "$revision" "$number" "$by" "$seconds" "$quiet" "$live" armed
fi
mark armed "${live:--}"
await_word || stay "the word did not come"
flip
