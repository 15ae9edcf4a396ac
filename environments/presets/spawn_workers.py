from dataclasses import dataclass

from environments.parameters import Number, Program
from environments.phases import Phase
from environments.preset import Command, Preset, Usual, parameter
from environments.shell_text import script
from environments.worker_files import WORKER_FILES, WORKER_NAME

# `exec` lets the worker be the process that the pid file names; a session of its own lets it outlive the step.
_BODY = f"""{WORKER_FILES}
command -v setsid >/dev/null 2>&1 || command -v perl >/dev/null 2>&1 || die "Neither setsid nor perl is on this host."
detached() {{
    if command -v setsid >/dev/null 2>&1; then exec setsid "$@"; fi
    exec perl -e 'use POSIX (); POSIX::setsid(); exec {{ $ARGV[0] }} @ARGV; exit 127' "$@"
}}
logs=$DEPLOYER_SHARED_PATH/log
become='echo $$ >"$1.new" && mv -f "$1.new" "$1" && shift && eval "exec $1"'
mkdir -p "$files" "$logs" || die "$files or $logs cannot be made."
n=0
while [ "$n" -lt "$count" ]; do
    n=$((n + 1))
    worker=$name-$n
    if worker_lives "$worker"; then
        read -r of <"$files/$worker.release" || of=
        [ "$of" = "$DEPLOYER_RELEASE" ] || die "$worker, process $pid, still runs from release $of; drain it before."
        continue
    fi
    echo "$DEPLOYER_RELEASE" >"$files/$worker.release" || die "$files cannot be written to."
    rm -f "$files/$worker.pid"
    # A subshell of its own: a shell keeps what is redirected for a function only, and so the step's output open.
    (exec >>"$logs/$worker.log" 2>&1 </dev/null &&
        detached env "DEPLOYER_WORKER=$worker" sh -c "$become" worker "$files/$worker.pid" "$command") &
done
sleep "$settle"
n=0 dead=
while [ "$n" -lt "$count" ]; do
    n=$((n + 1))
    if worker_lives "$name-$n"; then echo "$name-$n runs as process $pid"; else dead="$dead $name-$n"; fi
done
[ -z "$dead" ] || die "These ended within $settle seconds:$dead. Their output is in $logs."
"""


@dataclass(frozen=True, kw_only=True)
class SpawnWorkers(Preset):
    """Starts background workers of the new release, which live on after the deploy.

    Each writes to `shared/log/NAME-N.log` and is found again by `shared/pids/NAME-N.pid`. Run `drain-workers` before
    it. A host that restarts starts none of them: where that matters, let systemd or supervisor have the workers.
    """

    usual = Usual(phase=Phase.RESTART)
    phases = (Phase.RESTART, Phase.AFTER)
    example = {"name": "mailer", "command": "bin/rails jobs:work", "count": 4}

    name: str = parameter(WORKER_NAME, "What they are called.")
    command: str = parameter(
        Program(), "What each runs, in the release's folder. It must not put itself into background."
    )
    count: int = parameter(Number(1, 64), "How many.", 1)
    settle: int = parameter(Number(1, 300), "Seconds until they are looked at.", 2)

    def commands(self) -> tuple[Command, ...]:
        work = script(_BODY, name=self.name, command=self.command, count=self.count, settle=self.settle)
        return (Command(work),)
