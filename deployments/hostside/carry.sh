# Carries what has not changed over from the release that serves, as files of the new release's own.
# Nothing is shared between releases: what one writes, another never sees.
# `laid` in a release's record says of each file what the kernel says of it (inode, size, both times) right after it was
# verified. While that is still so, its content is the verified one, for every write changes the second time.

# identities FOLDER...: lines of "folder inode size mtime ctime type path". Only GNU's find can say it to the nanosecond.
identities() { LC_ALL=C find "$@" ! -type d -printf '%H %i %s %T@ %C@ %y ./%P\n' 2>/dev/null; }

# remember KIND SHA: before the verification, so that whatever is written after it shows.
remember() {
    { printf '%s\n' "$1 $2 $mask" "linked $linked" && identities . | cut -c 3-; } >"$record/laid" 2>/dev/null
    # Where times are whole seconds only, a change can go unseen.
    grep -q '^[0-9]* [0-9]* [0-9.-]* [0-9]*\.0*[1-9][0-9]* [fl] ' "$record/laid" 2>/dev/null || rm -f "$record/laid"
}

# has_base KIND SHA: what serves was laid out from that, by the same rules, and its steps left it alone.
has_base() {
    base=$state/releases/${live:-none}/laid
    [ -f "$base" ] || return 1
    { IFS= read -r of && IFS= read -r with; } <"$base" || return 1
    [ "$of" = "$1 $2 $mask" ] && [ "$with" = "linked $linked" ]
}

# What the manifest says of a path, for awk: what has changed came with the archive, what is gone stays behind.
named='
    function named(line) { return substr(line, index(line, " ./") + 1) }'
changed=$named'
    FILENAME == ARGV[1] {
        if ($0 ~ /^to /) next
        if ($0 ~ /^link |^gone |^made /) path = substr($0, 6)
        else if (substr($0, 65, 2) == "  ") path = substr($0, 67)
        else next
        changed[path] = $0 ~ /^gone / ? "gone" : "here"
        next
    }'

# Copies into the current folder what has not changed, small files by tar. A name with a backslash means something else to it.
copy_unchanged() {
    LARGE=$home/sums LC_ALL=C awk "$changed"'
        BEGIN { printf "" >(ENVIRON["LARGE"]) }
        FNR > 2 && !((path = named($0)) in changed) {
            if (path ~ /\\/) exit 1
            if ($2 >= 262144 && $5 == "f") print path >(ENVIRON["LARGE"])
            else print path
        }' "$record/manifest" "$base" >"$home/list" || return 1
    copy_by_tar "$home/list" || return 1
    [ ! -s "$home/sums" ] || copy_by_cp "$home/sums" 2>/dev/null || copy_by_tar "$home/sums"
}

copy_by_tar() { tar -C "$root/releases/$live" -b 256 -cf - -T "$1" 2>/dev/null | tar -b 256 -xof -; }

# Where the file system can, two files share their blocks until one is written to: no other file ever sees it.
copy_by_cp() {
    sed 's,/[^/]*$,,' "$1" | xargs -d '\n' mkdir -p &&
        (cd "$root/releases/$live" && xargs -d '\n' cp -d --preserve=mode,timestamps --parents --reflink=auto -t "$path" <"$1")
}

# is_carried KIND SHA: every file is there once, as large as the one that it was copied from, and nothing besides; and
# the base is still as it was laid out, so it did not change before or while it was copied.
is_carried() {
    identities . "../$live" | HEAD="$1 $2 $mask" LC_ALL=C awk "$changed"'
        FILENAME == ARGV[2] {
            if (FNR == 1) print ENVIRON["HEAD"]
            if (FNR == 2) print
            if (FNR > 2 && !((path = named($0)) in changed)) { wanted[$0]; kind[path] = $2 $5; left++ }
            next
        }
        {
            line = substr($0, index($0, " ") + 1)
            if ($1 != ".") { same += (line in wanted); next }
            print line
            path = named($0)
            if ((path in changed) && changed[path] == "here") { delete changed[path]; next }
            if (!(path in kind)) { bad = 1; exit }
            if (kind[path] != $3 $6) { bad = 1; exit }
            found++
        }
        END {
            for (path in changed) if (changed[path] == "here") bad = 1
            exit bad || found != left || same != left
        }' "$record/manifest" "$base" - >"$record/laid"
}

# After the steps: are the files of the revision still as they were laid out? Sets $emptied, and brings `laid` up to date:
# what links took the place of is left out.
look_again() {
    emptied=$(cd "$path" && identities . | LINKED=$linked KEPT=$record/laid.new LC_ALL=C awk "$named"'
        BEGIN { count = split(ENVIRON["LINKED"], linked, "//") }
        function covered(path, at) {
            for (at = 1; at <= count; at++) if (index(path "/", "./" linked[at] "/") == 1) return 1
            return 0
        }
        FILENAME == ARGV[1] && FNR < 3 { head = head $0 "\n"; next }
        FILENAME == ARGV[1] { if (covered(path = named($0))) hidden++; else { was[path] = $0; order[++lines] = path }; next }
        {
            path = named($0)
            if (!(path in was)) next
            split(was[path], old, " ")
            if ($3 == 0 && old[2] > 0) { print path; exit 1 }
            if (was[path] == substr($0, index($0, " ") + 1)) same++
        }
        END {
            if (hidden) printf "%s", head >(ENVIRON["KEPT"])
            for (at = 1; hidden && at <= lines; at++) print was[order[at]] >(ENVIRON["KEPT"])
            exit same != lines
        }' "$record/laid" -) || { rm -f "$record/laid.new" && return 1; }
    [ ! -e "$record/laid.new" ] || mv -f "$record/laid.new" "$record/laid"
}
