# Starts a program once, or attaches to it, and follows what it writes.

set -f
umask 077
root=$1 target=$2 name=$3 fence=$4 offset=$5 nonce=$6 archive=$7 size=$8 mask=$9
zst=${10} zst_size=${11} base=${12} changes=${13} changes_size=${14} begun=${15-}
expand_root
state=$root/.deployer
home=$state/programs/$name
fresh=$state/programs/.new.$$
follower= watcher= part=

let_go() {
    [ -z "$follower" ] || kill "$follower" 2>/dev/null
    [ -z "$watcher" ] || kill "$watcher" 2>/dev/null
    [ ! -d "$fresh" ] || rm -rf "$fresh"
    case $part in *".$$") rm -f "$part" ;; esac
}

# What a loader that was killed left behind. A part of the very archive that is wanted stays: it is gone on with.
sweep() {
    set +f
    for left in "$state"/programs/.new.*; do
        [ ! -e "$left" ] || kill -0 "${left##*.}" 2>/dev/null || rm -rf "$left"
    done
    for left in "$state"/archives/.part-*; do
        if [ -e "$left" ] && [ "$left" != "$state/archives/.part-$archive" ] && ! held "$left"; then rm -f "$left"; fi
    done
    set -f
}

# Its length comes first, so that it is taken in one piece, and not one byte after its end.
read_program() {
    IFS=' ' read -r said bytes && [ "$said" = "$nonce" ] || exit 1
    take_bytes "$bytes" 2>/dev/null >"$1" || refuse disk "cannot write the program to $state"
    [ "$1" != /dev/null ] || return 0
    measure "$1"
    [ "$length" -eq "$bytes" ] || exit 1
}

take_bytes() {
    if has head; then
        head -c "$1"
    else
        perl -e 'my $n = shift; binmode STDIN; binmode STDOUT;
            while ($n > 0) { my $r = sysread(STDIN, my $b, $n < 65536 ? $n : 65536); last unless $r; $n -= $r; print $b or exit 1 }' "$1"
    fi
}

have_room() {
    look_at_disk "$state/archives"
    [ "${free:-$size}" -ge $((size / 512)) ] || refuse disk "the archive needs $((size / 512)) kB free with room to unpack it; $free kB are free in $root"
}

# Which one: the whole, packed as this host can unpack it, or only what differs from the release that serves.
choose_archive() {
    [ "$archive" != - ] || return 0
    kind=archive packing=gz
    if [ "$zst" != - ] && has zstd; then packing=zst archive=$zst size=$zst_size; fi
    if [ "$changes" = - ] || [ -f "$state/archives/$archive" ]; then return 0; fi
    live_release
    IFS= read -r laid 2>/dev/null <"$state/releases/${live:-none}/laid" || return 0
    if [ "$laid" = "archive $base $mask" ]; then kind=changes packing=gz archive=$changes size=$changes_size; fi
}

# Opens the part that an upload goes to; another loader that is still at it keeps its own. What is small begins anew, and
# is not kept.
open_part() {
    got=0 sum=-
    if [ "$size" -le 1000000 ]; then
        part=$fresh/archive stored=
        return
    fi
    have_room
    part=$state/archives/.part-$archive
    if held "$part"; then part=$part.$$; fi
    problem=$( (: >>"$part") 2>&1) || refuse_write "$problem"
    exec 5>>"$part"
    try_lock 5 || refuse lock "another upload of this archive goes on right now"
    if [ -s "$part" ]; then
        digest "$part"
        measure "$part"
        got=$length
    fi
}

# The worker compares what came before with its own bytes, and says from where on it sends.
receive_archive() {
    open_part
    mark need "$kind" "$packing" "$got" "$sum"
    IFS= read -r from || exit 1
    [ "$from" = "$got" ] || { from=0 && : >"$part"; }
    if ! take_bytes $((size - from)) 2>/dev/null >>"$part"; then
        rm -f "$part"
        refuse disk "cannot write the archive to $state/archives"
    fi
    digest "$part"
    if [ "$sum" != "$archive" ]; then
        measure "$part"
        [ "$length" -eq "$size" ] || refuse upload "it came only in part: $length of $size bytes"
        rm -f "$part"
        refuse upload "it arrived with another sha256 than $archive"
    fi
    [ "$stored" ] || return 0
    mv -f "$part" "$stored" || refuse disk "cannot keep the archive in $state/archives"
    exec 5>&-
    forget_archives
}

# The three that were used last stay.
forget_archives() {
    set +f
    set -- "$state/archives"/*
    set -f
    [ "$#" -gt 3 ] || return 0
    ls -t "$state/archives" | grep -v "^$archive\$" | tail -n +3 |
        while IFS= read -r old; do rm -f "$state/archives/$old"; done
}

get_archive() {
    [ "$archive" != - ] || return 0
    stored=$state/archives/$archive
    if [ -f "$stored" ]; then touch "$stored"; else receive_archive; fi
    note_line "$fresh/bulk" "$kind $archive $packing $base $size" || refuse disk "cannot write to $state"
    mark have "$kind"
}

words() {
    while IFS= read -r word; do
        case $word in
        stored)
            check_claim
            : >"$home/stored"
            : >"$home/spool"
            break
            ;;
        stop)
            check_claim
            touch "$home/stop"
            ;;
        esac
    done
    exit 0
}

# A runner that could not write its last line (a full disk) still left its result.
lacks_end() { ! tail -c 300 "$home/spool" 2>/dev/null | grep -q "$stored_nonce end "; }

give_end() {
    IFS= read -r result <"$home/result" || result=failed
    if lacks_end; then (nonce=$stored_nonce && mark end "$result"); fi
}

# Watches for the runner's death by the lock that it holds, and says so if it died without a result. It and the
# follower end with the loader, however that ends. Most runners are done before the first look.
# No signal is trapped anywhere here: one that comes while a shell with traps forks can be lost.
await_runner() {
    while :; do
        sleep 1 >/dev/null
        if ! kill -0 $$; then
            kill "$follower"
            exit 0
        fi
        held "$home/alive" || break
    done
    if [ -s "$home/result" ] && ! lacks_end; then exit 0; fi
    [ -s "$home/result" ] || reap "$name"
    # Some tails look once a second only; what they have not shown yet goes first.
    nap 9 >/dev/null
    nap 9 >/dev/null
    [ ! -e "$home/stored" ] || exit 0
    if [ -s "$home/result" ]; then give_end; else mark lost; fi
}

follow() {
    exec 2>/dev/null
    tail -c "+$((offset + 1))" -f "$home/spool" &
    follower=$!
    await_runner &
    watcher=$!
    words
}

attach() {
    leave_gate
    IFS= read -r stored_nonce <"$home/nonce" || stored_nonce=$nonce
    if [ -s "$home/result" ] && { [ -e "$home/stored" ] || [ ! -e "$home/spool" ]; }; then
        IFS= read -r result <"$home/result" || result=failed
        mark done "$result"
        exit 0
    fi
    mark attached "$stored_nonce"
    if held "$home/alive"; then follow; fi
    tail -c "+$((offset + 1))" "$home/spool" 2>/dev/null
    if [ -s "$home/result" ]; then
        give_end
        words
    fi
    reap "$name"
    mark lost
    exit 0
}

# The lock is taken here and inherited, so that a program that exists without it is a dead one at any moment.
start() {
    exec 7>"$fresh/alive"
    try_lock 7 || refuse lock "cannot lock $fresh/alive; does this file system have locks?"
    mv "$fresh" "$home" || refuse disk "cannot make $home"
    (new_session sh "$home/program" "$root" "$target" "$name" "$nonce" </dev/null >>"$home/spool" 2>&1 6>&-) &
    exec 7>&-
    leave_gate
    stored_nonce=$nonce
    mark started
    follow
}

# For whoever has followed it up to here, and found its runner dead.
bury() {
    reap "$name"
    tail -c "+$((offset + 1))" "$home/spool" 2>/dev/null
    mark lost
    exit 0
}

trap let_go EXIT
[ "$begun" != lost ] || bury
need_tools
open_state
# Before an archive travels for nothing.
check_claim
if [ "$begun" ]; then
    : # it has been read
elif [ -d "$home" ]; then
    read_program /dev/null
else
    choose_archive
    sweep
    problem=$(mkdir "$fresh" 2>&1) || refuse_write "$problem"
    read_program "$fresh/program"
    get_archive
    # No name but that of the folder counts yet.
    { printf '%s\n' "$nonce" >"$fresh/nonce" && printf '%s\n' "$fence" >"$fresh/fence" && : >"$fresh/spool" &&
        printf '%16384s' '' >"$fresh/reserve"; } 2>/dev/null || refuse disk "cannot write to $state"
fi
enter_gate
claim
if [ -d "$home" ]; then attach; else start; fi
