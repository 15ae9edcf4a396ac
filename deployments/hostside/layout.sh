# Lays a release out in its folder, and verifies it before anything runs in it.

# Takes a folder away under another name first, so that no half of it is left under its own.
discard() {
    mv -f "$root/releases/$1" "$state/trash-$1.$$" && rm -rf "$state/releases/$1" "$state/trash-$1.$$"
}

# What failed attempts left: laid out by us, never prepared. Only the holder of the long lock lays out.
discard_unfinished() {
    for left in "$state"/trash-*; do
        [ ! -e "$left" ] || rm -rf "$left"
    done
    for left in "$state"/releases/*; do
        left=${left##*/}
        if [ "$left" = "$live" ] || [ -e "$state/releases/$left/prepared" ] || [ -e "$state/releases/$left/foreign" ]; then continue; fi
        [ -d "$root/releases/$left" ] || { rm -rf "$state/releases/$left" && continue; }
        if discard "$left"; then mark removed "$left"; fi
    done
}

new_release() {
    { [ -d "$root/releases" ] && [ -d "$root/shared" ]; } || mkdir -p "$root/releases" "$root/shared" || fail disk "cannot make folders in $root"
    live_release
    [ "$live" != "$release" ] || [ ! -d "$path" ] || fail release "release $release serves right now and is not laid out again"
    [ ! -e "$record/good" ] || [ ! -d "$path" ] || fail release "release $release has served before and is not laid out again"
    if [ -d "$path" ] && [ ! -d "$record" ]; then fail release "$path is there already and is not ours"; fi
    [ ! -e "$record/prepared" ] || rm -f "$record/prepared"
    set +f
    discard_unfinished
    set -f
    mkdir -p "$record" "$path" && note_line "$record/revision" "$revision" || fail disk "cannot make $path"
}

# A layout that failed frees its space at once.
undo_layout() { discard "$release"; }

# room BYTES: twice that, and 5 % of the disk or 256 MB, whichever is less.
room() {
    look_at_disk "$root"
    [ "$free" ] || return 0
    spare=$((disk / 20))
    [ "$spare" -le 262144 ] || spare=262144
    wanted=$(($1 / 512 + spare))
    [ "$free" -ge "$wanted" ] || fail disk "$wanted kB must be free in $root to lay this release out safely; $free kB are"
}

# Why did writing fail? A disk that takes no 64 kB more is the reason.
fail_layout() {
    if printf '%65536s' '' 2>/dev/null >"$path/.room"; then
        rm -f "$path/.room"
        fail "$1" "$2"
    fi
    fail disk "the disk of $root takes no more data: $2"
}

# Says of each file whether it is as it must be.
check_sums() {
    if has sha256sum; then
        sha256sum -c "$1"
    elif has shasum; then
        shasum -a 256 -c "$1"
    else
        differ=0
        while IFS= read -r line; do
            file=${line#????????????????????????????????????????????????????????????????  }
            digest "$file"
            if [ "$sum" = "${line%%  *}" ]; then echo "$file: OK"; else differ=1 && echo "$file: FAILED"; fi
        done <"$1"
        return "$differ"
    fi 2>&1
}

# Sets $files and $links, and puts their lines into `sums` and `list`: a shell reads byte by byte, so it gets no others.
sort_manifest() {
    sorted=$(SUMS=$home/sums LINKS=$home/list LC_ALL=C awk '
        substr($0, 65, 3) == "  ." && substr($0, 1, 64) ~ /^[0-9a-f]+$/ { files++; print >(ENVIRON["SUMS"]); next }
        /^link / { links++ }
        /^link |^to / { print >(ENVIRON["LINKS"]) }
        END { print files + 0, links + 0 }' "$record/manifest") || return 1
    files=${sorted% *} links=${sorted#* }
}

check_links() {
    at=
    while IFS= read -r line; do
        case $line in
        'link '*) at=${line#link } ;;
        'to '*) [ "$(link_text "$at")" = "${line#to }" ] || { echo "$at: is not a link to ${line#to }" && return 1; } ;;
        esac
    done <"$home/list"
}

# Every file and link of the manifest, by its content.
verify_contents() {
    sort_manifest || { echo "the list of its files cannot be written" && return 1; }
    if [ "$files" -gt 0 ] && ! check_sums "$home/sums" >/dev/null; then
        check_sums "$home/sums" | grep -v ' OK$' | head -n 5
        return 1
    fi
    [ "$links" -eq 0 ] || check_links
}

# The same, and nothing besides.
verify_tree() {
    verify_contents || return 1
    found=$(find . ! -type d -print | wc -l)
    [ "$found" -eq $((files + links)) ] || { echo "$found files are there, the manifest has $((files + links))" && return 1; }
}

# unpack NAME PACKING BYTES: into the current folder, as files of the user who deploys; the manifest comes along. What is
# small needs no watching.
unpack() {
    packed=$home/archive
    [ -f "$packed" ] || packed=$state/archives/$1
    if [ "$2" = zst ]; then
        bounded 3600 0 : sh -c 'zstd -dcq <"$1" | tar -xof -' deployer "$packed"
    elif [ "$3" -gt 1000000 ]; then
        bounded 3600 0 : tar -xzof "$packed"
    else
        tar -xzof "$packed"
        code=$? reason=
    fi
    [ "$reason" != stopped ] || { undo_layout && finish stopped; }
    [ "$code" -eq 0 ] || fail_layout archive "tar could not unpack the archive (exit code $code)"
    mv -f .deployer-manifest "$record/manifest" || fail_layout archive "the archive has no manifest"
}

# lay_out_archive SHA256 BYTES: from what the loader has taken, the whole archive or what differs from what serves.
lay_out_archive() {
    new_release
    on_failure=undo_layout
    room "$2"
    cd "$path" || fail disk "$path cannot be entered"
    IFS=' ' read -r kind came packing base_sum bytes <"$home/bulk" || fail archive "no archive came"
    unpack "$came" "$packing" "$bytes"
    if [ "$kind" = changes ]; then
        verify_contents || fail_layout manifest "what was laid out differs from the revision; it was removed again"
        has_base archive "$base_sum" && copy_unchanged && is_carried archive "$1" ||
            fail_layout base "release ${live:-none} is not as it was laid out; the whole archive is needed"
    else
        remember archive "$1"
        verify_tree || fail_layout manifest "what was laid out differs from the revision; it was removed again"
        # Which files must not be empty later: all but those with the sum of nothing.
        [ -f "$record/laid" ] ||
            grep -v '^e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855  ' "$home/sums" | cut -c 67- >"$record/filled"
    fi
    stamp
}

stamp() {
    [ -e "$path/REVISION" ] || note_line "$path/REVISION" "$revision" || fail_layout disk "REVISION cannot be written"
    on_failure=:
}

use_held() {
    adopt || fail release "$objection"
    need_release
    [ "$1" ] || [ ! -e "$record/bad" ] || fail release "release $release was marked bad on this host"
    IFS= read -r held_revision <"$record/revision" || held_revision=-
    [ "$held_revision" = "$revision" ] || fail release "release $release holds revision $held_revision, not $revision"
}

# real_parents PATH: makes the folders above it; a link among them could lead out of the release.
real_parents() {
    at=$path rest=$1
    while :; do
        case $rest in */*) at=$at/${rest%%/*} rest=${rest#*/} ;; *) break ;; esac
        [ ! -L "$at" ] || fail link "$1 cannot be put there: $at is itself a link"
        [ -d "$at" ] || mkdir "$at" || fail link "$1 cannot be put there: $at cannot be made"
    done
}

link_dir() {
    [ -d "$root/shared/$1" ] || mkdir -p "$root/shared/$1" || fail link "shared/$1 cannot be made"
    real_parents "$1"
    if [ -e "$path/$1" ] && [ ! -d "$path/$1" ]; then fail link "$1 is a file in the revision, but is to be a linked folder"; fi
    if [ -e "$path/$1" ] || [ -L "$path/$1" ]; then rm -rf "${path:?}/$1"; fi
    ln -s "$2" "$path/$1" || fail link "$1 cannot be linked"
}

# own_file PATH: an endpoint begins with a copy of what its target has there; from then on it is its own.
own_file() {
    of=${root%/*/*}/shared/$1 to=$root/shared/$1
    if [ -e "$to" ] || [ ! -f "$of" ]; then return; fi
    # by tar, since it is there anyway; beside it first, for half a file would count as one
    mkdir -p "${to%/*}" "$home/own" || fail link "shared/$1 cannot be made"
    tar -chf - -C "${root%/*/*}/shared" "./$1" | tar -xpf - -C "$home/own" && mv "$home/own/$1" "$to" ||
        fail link "shared/$1 cannot be copied from $of"
}

link_file() {
    [ -f "$root/shared/$1" ] || fail link "shared/$1 does not exist on this host; put the file there, then deploy again"
    real_parents "$1"
    if [ -d "$path/$1" ] && [ ! -L "$path/$1" ]; then fail link "$1 is a folder in the revision, but is to be a linked file"; fi
    if [ -e "$path/$1" ] || [ -L "$path/$1" ]; then rm -f "$path/$1"; fi
    ln -s "$2" "$path/$1" || fail link "$1 cannot be linked"
}

# A full disk truncates silently: it must take some more, and no file of the revision may have become empty.
# seal WHAT: nothing at all has happened to the release since it was laid out, if that is empty.
seal() {
    checkpoint
    if [ -z "$1" ]; then
        note_line "$record/prepared" "$revision" || fail disk "cannot write $record/prepared"
        return
    fi
    printf '%65536s' '' 2>/dev/null >"$home/reserve" || fail disk "the disk of $root is full after the steps"
    emptied= changed_files=
    if [ -f "$record/laid" ]; then
        look_again || changed_files=yes
    elif [ -f "$record/filled" ]; then
        emptied=$(cd "$path" && find . -type f -size 0 -print | awk 'NR == FNR { filled[$0]; next } $0 in filled' "$record/filled" - | head -n 1)
    fi
    [ -z "$emptied" ] || fail manifest "$emptied has become empty since it was laid out; is the disk full?"
    note_line "$record/prepared" "$revision" || fail disk "cannot write $record/prepared"
    [ -z "$changed_files" ] || rm -f "$record/laid"
}
