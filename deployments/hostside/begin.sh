# begin.sh PERL SHELL PATH ARGUMENT...: goes on as one perl process where the host has perl; a shell starts a process for
# nearly all that it does. What is not usual perl hands back to the shell (`decline`), and reads nothing before that.

quick=$1 thorough=$2
[ -z "$3" ] || PATH=$3:$PATH
export PATH
shift 3
if command -v perl >/dev/null 2>&1; then
    perl -C0 -e "$quick" "$quick" "$thorough" "$@" 7>>/dev/null 8>>/dev/null 9>>/dev/null
    code=$?
    # A perl that cannot run at all (a library or a file of its own is gone) has read nothing: the shell does it all.
    case $code in 0 | 1 | 3) exit "$code" ;; esac
    if perl -e 0 >/dev/null 2>&1; then exit "$code"; fi
fi
eval "$thorough"
