# May this folder hold a target? Looks, and writes nothing.

probe_root() {
    at=$root
    if [ -d "$root" ]; then word=writable; else word=creatable; fi
    until [ -e "$at" ] || [ -z "$at" ]; do at=${at%/*}; done
    at=${at:-/}
    if [ ! -d "$at" ]; then
        mark root refused "$at is not a folder"
    elif [ ! -w "$at" ] || [ ! -x "$at" ]; then
        mark root refused "$at cannot be written by $(id -un)"
    elif [ -e "$root/current" ] && [ ! -L "$root/current" ]; then
        mark root refused "$root/current is there and is not a link"
    else
        mark root "$word"
    fi
    look_at_disk "$at"
    mark disk "${free:-0}" "${disk:-0}"
}

observe_tools
find_lacking
if [ "$lacking" ]; then mark missing "$lacking"; fi
if [ "$broken" ]; then mark broken "$(printf '%s' "$broken" | tr -d '\036')"; fi
probe_root
mark system "$(uname -s) $(uname -m)"
