# Puts the configuration of a host into its release. No other user can read what it writes.

# put_file PATH SHA256 TEXT
put_file() {
    real_parents "$1"
    if [ -d "$path/$1" ] && [ ! -L "$path/$1" ]; then fail configuration "$1 is a folder in the revision, but the configuration is to lie there as a file"; fi
    mode=600
    [ ! -x "$path/$1" ] || mode=700
    rm -f "$path/$1"
    (umask 077 && printf '%s' "$3" >"$path/$1" && chmod "$mode" "$path/$1") 2>/dev/null || fail_layout configuration "$1 cannot be written"
    digest "$path/$1"
    [ "$sum" = "$2" ] || fail_layout configuration "$1 is not on the disk as it was sent"
}

# The same for steps of this release, whichever program runs them: beside the release, where we keep what is our own.
keep_values() { (umask 077 && printf '%s' "$1" >"$record/values") 2>/dev/null || fail_layout configuration "the values for steps cannot be kept"; }
