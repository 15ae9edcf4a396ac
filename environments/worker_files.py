"""Where background workers are written down on a host, as shell text for the presets that start and drain them."""

from environments.parameters import Line

WORKER_NAME = Line(r"[a-z][a-z0-9-]{0,39}", "a name of lower-case letters, digits and hyphens")

# `worker_lives WORKER` sets $pid. A process id may have gone to somebody else since (a host that restarted): where
# the system shows a process's environment, the worker's own mark must be in it.
WORKER_FILES = r"""
files=$DEPLOYER_SHARED_PATH/pids
worker_lives() {
    pid=
    [ ! -r "$files/$1.pid" ] || read -r pid <"$files/$1.pid" || :
    case $pid in '' | *[!0-9]*) return 1 ;; esac
    kill -0 "$pid" 2>/dev/null || return 1
    [ -r "/proc/$pid/environ" ] || return 0
    tr '\0' '\n' <"/proc/$pid/environ" 2>/dev/null | grep -q "^DEPLOYER_WORKER=$1\$"
}
"""
