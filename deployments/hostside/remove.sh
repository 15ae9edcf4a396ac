# Removes an endpoint's folder, and nothing else: refuses whatever is not exactly that. Once more is harmless.

set -f
umask 077
root=$1 target=$2 fence=$3 nonce=$4 folder=$6 endpoint=$7
expand_root
[ -z "$5" ] || PATH=$5:$PATH
export PATH
mask=022 home=
state=$root/.deployer
above=${root%/*}

# Its path ends as only endpoints' do, and no part of that leads elsewhere.
refuse_other_folders() {
    case $endpoint in '' | *[!a-z0-9-]*) refuse root "this is no name of an endpoint" ;; esac
    case ${target##*/} in "$endpoint") ;; *) refuse root "$root is not that of $target" ;; esac
    case $root in
    */*/"$folder/$endpoint") ;;
    *) refuse root "$root is no folder of an endpoint, which ends with $folder/$endpoint" ;;
    esac
    [ ! -L "$above" ] || refuse root "$above is a link to another folder"
    [ ! -L "$root" ] || refuse root "$root is a link to another folder"
}

# What we have made has our mark, with whose it is; `claim` refuses another's, and here it must be there.
refuse_unmarked() {
    [ -f "$state/target" ] || refuse root "nothing in $root says that the Deployer made it"
    IFS= read -r owner <"$state/target" || :
    [ "$owner" = "$target" ] || refuse target "$owner"
}

refuse_if_at_work() {
    for program in $(ls "$state/programs" 2>/dev/null); do
        if held "$state/programs/$program/alive" || held "$state/programs/$program/step"; then
            refuse lock "$program is still at work in this folder"
        fi
    done
}

# What is mounted below it is not the endpoint's own.
refuse_mounts() {
    [ -r /proc/mounts ] || return 0
    whole=$(cd -P "$root" 2>/dev/null && pwd -P) || refuse root "$root cannot be entered"
    while read -r _ point _; do
        case $point in "$whole" | "$whole"/*) refuse root "something is mounted at $point" ;; esac
    done </proc/mounts
}

# Where the system tells of processes, as far as this user may know. One that stands in the folder itself is our own
# watcher's last nap.
find_running() {
    set +f
    running=$(ls -l /proc/[0-9]*/cwd 2>/dev/null | grep -F -- " -> $whole/" | sed -e 's,^.* /proc/\([0-9]*\)/cwd .*$,\1,' | head -n 5 | tr '\n' ' ')
    set -f
}

# What was told to end takes a moment to do so.
refuse_running() {
    [ -d /proc/self ] || return 0
    whole=$(cd -P "$root" 2>/dev/null && pwd -P) || refuse root "$root cannot be entered"
    find_running
    for _ in 1 2 3 4; do
        [ -n "$running" ] || return 0
        sleep 1
        find_running
    done
    [ -z "$running" ] || refuse running "process ${running% } still runs in $root"
}

# Out of the way in one act, then emptied: whoever looks at the folder meanwhile sees all of it, or nothing.
remove() {
    mv "$root" "$above/.gone-$endpoint.$$" || refuse root "$root could not be moved out of the way"
}

empty() {
    set +f
    for rest in "$above/.gone-$endpoint".*; do
        if [ ! -e "$rest" ] && [ ! -L "$rest" ]; then continue; fi
        case ${rest##*.} in '' | *[!0-9]*) continue ;; esac
        # once more for folders that their owner closed
        rm -rf "$rest" 2>/dev/null || find "$rest" -type d -exec chmod u+rwx {} + 2>/dev/null
        problem=$(rm -rf "$rest" 2>&1) || refuse root "not all of it could be removed: $problem"
    done
    set -f
}

refuse_other_folders
if [ -d "$root" ]; then
    need_tools
    refuse_unmarked
    pass_gate
    exec 9>>"$state/lock"
    lock 9 100 || refuse lock "another program is at work in this folder"
    pass_gate
    refuse_if_at_work
    refuse_mounts
    refuse_running
    remove
fi
empty
rmdir "$above" 2>/dev/null
mark gone
