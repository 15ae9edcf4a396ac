# Says what serves in each of the folders, and writes nothing.

set -f
nonce=$1
[ -z "$2" ] || PATH=$2:$PATH
export PATH
shift 2
number=0
for root in "$@"; do
    number=$((number + 1))
    expand_root
    live_release
    word=serves
    if [ -z "$live" ] && [ -e "$root/current" ]; then
        word=folder
    elif [ "$live" ] && [ ! -d "$root/current/" ]; then
        word=dangling
    fi
    mark current "$number" "$word" "${live:--}"
done
mark looked "$number"
