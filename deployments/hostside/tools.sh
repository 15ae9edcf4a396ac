# What every program needs from its host, by whichever tool is there.

# A folder below the user's home may be named by ~/; every program works with the full path.
expand_root() { case $root in '~/'*) root=$HOME/${root#??} ;; esac; }

has() { command -v "$1" >/dev/null 2>&1; }

# A line for the worker. The first character and the nonce keep a step's output from being taken for one.
mark() { printf '\036%s %s\n' "$nonce" "$*" 2>/dev/null; }

nap() { sleep "0.$1" 2>/dev/null || sleep 1; }

# try_lock DESCRIPTOR [shared]: flock(2) on an open descriptor; perl's lock and the flock tool's are the same one.
try_lock() {
    if has flock; then
        if [ "${2-}" ]; then flock -s -n "$1"; else flock -n "$1"; fi
    else
        perl -e 'open(F, "<&=", $ARGV[0]) or exit 2; exit !flock(F, $ARGV[1] ? 5 : 6)' "$1" "${2-}"
    fi 2>/dev/null
}

# lock DESCRIPTOR TWENTIETHS: waits that long.
lock() {
    attempt=0
    until try_lock "$1"; do
        attempt=$((attempt + 1))
        [ "$attempt" -le "$2" ] || return 1
        nap 05
    done
}

# held FILE: some process holds the lock on it.
held() {
    [ -f "$1" ] || return 1
    if { try_lock 5 shared; } 2>/dev/null 5<"$1"; then return 1; fi
}

# Replaces this process by a command in a session of its own.
new_session() {
    if has setsid; then exec setsid "$@"; fi
    exec perl -e 'use POSIX (); POSIX::setsid(); exec { $ARGV[0] } @ARGV; exit 127' "$@"
}

moves_links() { case $(mv --help 2>&1) in *-T*) true ;; *) false ;; esac; }

# replace NEW OLD: rename(2); a link to a folder is replaced, never followed. An mv that does not know -T does nothing.
replace() { mv -fT "$1" "$2" 2>/dev/null || perl -e 'exit !rename($ARGV[0], $ARGV[1])' "$1" "$2"; }

link_text() {
    if has readlink; then
        readlink "$1"
    else
        perl -e 'my $t = readlink $ARGV[0]; exit 1 unless defined $t; print $t' "$1"
    fi
}

# serves RELEASE: by the link itself, and without starting a process. Not every shell's test knows -ef: that is its 2.
serves() {
    [ -L "$root/current" ] || return 1
    [ "$root/current" -ef "$root/releases/$1" ] 2>/dev/null
    case $? in
    0) return 0 ;;
    1) return 1 ;;
    esac
    served=$(cd -P "$root/current" 2>/dev/null && pwd -P) || return 1
    [ "$served" = "$(cd -P "$root/releases/$1" 2>/dev/null && pwd -P)" ]
}

# Sets $live, the name of the release that serves; or nothing. What leads straight into `releases` needs no process.
live_release() {
    came_from=$PWD live=
    [ -L "$root/current" ] || return 0
    if cd -P "$root/current" 2>/dev/null; then live=${PWD##*/}; fi
    cd "$came_from" 2>/dev/null || cd /
    if [ "$live" ] && serves "$live" && [ ! -L "$root/releases/$live" ]; then return 0; fi
    live=$(link_text "$root/current" 2>/dev/null) || live=
    live=${live%/}
    live=${live##*/}
}

# Sets $sum: the sha256 of a file.
digest() {
    if has sha256sum; then
        sum=$(sha256sum <"$1")
    elif has shasum; then
        sum=$(shasum -a 256 <"$1")
    elif has openssl; then
        sum=$(openssl dgst -sha256 -r <"$1")
    else
        sum=$(perl -MDigest::SHA -e 'print Digest::SHA->new(256)->addfile(*STDIN)->hexdigest' <"$1")
    fi
    sum=${sum%% *}
}

# Sets $length: the bytes of a file.
measure() {
    set -- $(ls -ln "$1" 2>/dev/null)
    length=${5-0}
}

# Writes one line, and reads it back (a full disk can truncate silently). An end in between leaves an empty file.
note_line() {
    printf '%s\n' "$2" 2>/dev/null >"$1" || return 1
    IFS= read -r read_back <"$1" && [ "$read_back" = "$2" ]
}

# The same under a name that holds the old line or the new one at any moment.
keep_line() { note_line "$1.new" "$2" && mv -f "$1.new" "$1" 2>/dev/null; }

# Sets $free and $disk, in kB; or nothing. The figures stand before the one with a percent sign.
look_at_disk() {
    free= disk=
    set -- $(df -Pk "$1" 2>/dev/null)
    while [ "$#" -gt 5 ]; do
        case $5 in *%) disk=$2 free=$4 && break ;; esac
        shift
    done
    case $free$disk in *[!0-9]*) free= disk= ;; esac
}

# Sets $lacking; perl stands in for all but tar, and is asked only where something is missing. Where it is there and cannot,
# $broken says why.
find_lacking() {
    lacking= broken= uses=
    has flock || lacking="$lacking flock"
    has setsid || { lacking="$lacking setsid" && uses='use POSIX ();'; }
    has head || lacking="$lacking head"
    moves_links || lacking="$lacking mv-T"
    has sha256sum || has shasum || has openssl || { lacking="$lacking sha256sum" && uses="$uses use Digest::SHA ();"; }
    if [ "$lacking" ] && has perl; then
        if broken=$(perl -e "$uses" 2>&1); then
            lacking= broken=
        else
            broken="its $(command -v perl) does not work: ${broken%%"$line_end"*}"
        fi
    fi
    has tar || lacking=" tar$lacking"
    lacking=${lacking# }
}
line_end='
'
