# Fetches one commit into the mirror and checks it out. Keys and tokens are files for the length of the fetch only.

git_environment() {
    export GIT_TERMINAL_PROMPT=0 GIT_ALLOW_PROTOCOL=https:ssh:file DEPLOYER_GIT="$home/git" LC_ALL=C
    export GIT_SSH_COMMAND='sh "$DEPLOYER_GIT/ssh"' GIT_SSH_VARIANT=ssh
}

mirror_git() {
    git --git-dir="$root/repo" -c core.hooksPath=/dev/null -c core.autocrlf=false -c core.fsmonitor=false "$@"
}

forget_keys() { [ ! -d "$home/git" ] || rm -rf "$home/git"; }

# Relative names, for ssh splits the option's value at spaces.
write_access() {
    forget_keys
    (umask 077 && mkdir "$home/git" && cd "$home/git" &&
        printf '%s\n' "$1" >key && printf '%s\n' "$2" >known_hosts && printf '%s' "$3" >login &&
        printf '%s\n' 'if [ "$1" = get ]; then cat "$DEPLOYER_GIT/login"; fi' >credential &&
        {
            printf '%s\n' 'cd "$DEPLOYER_GIT" || exit 1' 'set -- -o GlobalKnownHostsFile=/dev/null -o ConnectTimeout=15 "$@"' \
                'set -- -o StrictHostKeyChecking=yes -o UserKnownHostsFile=known_hosts -o BatchMode=yes "$@"' \
                'set -- -o ServerAliveInterval=15 -o IdentitiesOnly=yes -o IdentityAgent=none "$@"'
            if [ "$1" ]; then echo 'set -- -i key "$@"'; else echo 'set -- -o IdentityFile=none "$@"'; fi
            echo 'exec ssh -F /dev/null "$@"'
        } >ssh) || fail disk "$home/git cannot be written"
}

# Sets $care: whether git is to look after its store, which it would otherwise do, in processes, at every fetch. Its own
# measure: loose objects by one of 256 folders, and packs.
look_after_store() {
    care=false
    set +f
    set -- "$root/repo/objects/17"/*
    [ "$#" -le 26 ] || care=true
    set -- "$root/repo/objects/pack"/*.pack
    [ "$#" -le 50 ] || care=true
    set -f
}

# fetch URL REFSPEC SITE
fetch() {
    set -- "$1" "$2" "${3:+credential.$3.helper=!sh \"\$DEPLOYER_GIT/credential\"}"
    look_after_store
    bounded 3600 0 git_environment git --git-dir="$root/repo" -c core.hooksPath=/dev/null -c credential.helper= \
        -c "${3:-credential.useHttpPath=false}" -c gc.autoDetach=false -c "maintenance.auto=$care" -c http.lowSpeedLimit=1000 -c http.lowSpeedTime=60 \
        fetch --quiet --no-tags --no-recurse-submodules --force -- "$1" "$2"
    if [ "$reason" = stopped ]; then
        forget_keys
        finish stopped
    fi
    [ "$code" -eq 0 ]
}

# Has this revision been fetched, with all that belongs to it? Read where git keeps refs, which needs no git.
has_revision() {
    if IFS= read -r there 2>/dev/null <"$root/repo/refs/deployer/$revision"; then
        [ "$there" = "$revision" ]
    elif [ -d "$root/repo/reftable" ]; then
        [ "$(mirror_git rev-parse -q --verify "refs/deployer/$revision")" = "$revision" ]
    else
        [ -f "$root/repo/packed-refs" ] && grep -qs "^$revision refs/deployer/$revision\$" "$root/repo/packed-refs"
    fi
}

# Nobody but us is at work here, so a lock file is what a killed git left. True if there was one.
remove_locks() {
    [ "$(find "$root/repo" -path '*/objects/??' -prune -o -name '*.lock' -type f -print -exec rm -f {} +)" ]
}

# update_mirror URL REF SITE: by the commit itself, or by its ref where the server gives out no single commits.
update_mirror() {
    has_revision && return 0
    fetch "$1" "+$revision:refs/deployer/$revision" "$3" && return 0
    remove_locks && fetch "$1" "+$revision:refs/deployer/$revision" "$3" && return 0
    [ "$2" ] || return 1
    say "the repository gives out no single commit; fetching $2 instead"
    fetch "$1" "+$2:refs/deployer/ref" "$3" || return 1
    mirror_git update-ref "refs/deployer/$revision" "$revision"
}

check_out() {
    export GIT_INDEX_FILE="$home/index"
    rm -f "$home/index"
    mirror_git --work-tree=. read-tree "$revision" && mirror_git --work-tree=. checkout-index --all --force
}

# A fresh index knows no times and sizes, so git compares every file by its content.
verify_checkout() {
    rm -f "$home/index"
    mirror_git --work-tree=. read-tree "$revision" && mirror_git --work-tree=. update-index --refresh || return 1
    extra=$(mirror_git --work-tree=. ls-files --others | head -n 5)
    [ -z "$extra" ] || { echo "not in the revision: $extra" && return 1; }
}

# An index of nothing but what differs, and what `copy_unchanged` must not copy. Not where attributes change (they may change
# other files), nor with names that git writes in quotes, nor with submodules.
list_difference() {
    mirror_git -c core.quotePath=false diff-tree -r --no-renames "$1" "$revision" >"$home/list" 2>/dev/null || return 1
    MANIFEST=$record/manifest LC_ALL=C awk -F '\t' '
        BEGIN { printf "" >(ENVIRON["MANIFEST"]) }
        { split($1, of, " ") }
        $2 ~ /^"/ || $2 ~ /(^|\/)\.gitattributes$/ || of[1] ~ /160000/ || of[2] ~ /160000/ { exit 1 }
        { print (of[5] == "D" ? "gone" : "made") " ./" $2 >(ENVIRON["MANIFEST"]) }
        of[5] != "D" { print of[2] " " of[4] "\t" $2 }' "$home/list" >"$home/difference"
}

# Only what differs from the release that serves, compared by content; the rest is carried over.
lay_out_difference() {
    IFS=' ' read -r kind old _ 2>/dev/null <"$state/releases/${live:-none}/laid" || return 1
    # Attributes say how files are written, so they must be there before.
    has_base git "$old" && list_difference "$old" && copy_unchanged || return 1
    export GIT_INDEX_FILE="$home/index"
    if [ -s "$home/difference" ]; then
        mirror_git --work-tree=. update-index --index-info <"$home/difference" &&
            mirror_git --work-tree=. checkout-index --all --force && mirror_git --work-tree=. update-index --refresh || return 1
    fi
    is_carried git "$revision"
}

# All of it, every file compared by content.
lay_out_whole() {
    rm -rf "$path" "$record/laid"
    mkdir "$path" && cd "$path" || fail disk "$path cannot be entered"
    check_out || fail_layout fetch "git could not lay the revision out"
    remember git "$revision"
    verify_checkout || fail_layout manifest "what was laid out differs from the revision; it was removed again"
    mirror_git ls-tree -r "$revision" >"$record/manifest" || fail_layout fetch "revision $revision is not in the mirror"
    [ -f "$record/laid" ] || mirror_git ls-tree -r -l "$revision" |
        awk '$4 > 0 && $2 == "blob" { sub(/^[^\t]*\t/, ""); if ($0 !~ /^"/) print "./" $0 }' >"$record/filled"
}

# lay_out_git URL REF SITE BYTES
lay_out_git() {
    has git || fail fetch "git is not installed on this host; install it, or let this target distribute by archive"
    new_release
    on_failure=undo_fetch
    [ -f "$root/repo/HEAD" ] || git init --quiet --bare "$root/repo" || fail_layout fetch "$root/repo cannot be made"
    update_mirror "$1" "$2" "$3" || fail_layout fetch "revision $revision could not be fetched from $1"
    forget_keys
    room "$4"
    cd "$path" || fail disk "$path cannot be entered"
    lay_out_difference || lay_out_whole
    unset GIT_INDEX_FILE
    stamp
}

undo_fetch() {
    forget_keys
    undo_layout
}
