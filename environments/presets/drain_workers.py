from dataclasses import dataclass

from environments.parameters import Choice, Number, Truth
from environments.phases import Phase
from environments.preset import Command, Preset, Usual, parameter
from environments.shell_text import script
from environments.worker_files import WORKER_FILES, WORKER_NAME

_BODY = f"""{WORKER_FILES}
left() {{
    left=
    for worker; do if worker_lives "$worker"; then left="$left $worker"; fi; done
    [ "$left" ]
}}
set --
for file in "$files/$name"-*.pid; do
    worker=${{file##*/}} worker=${{worker%.pid}}
    case ${{worker#"$name-"}} in *[!0-9]*) continue ;; esac
    if worker_lives "$worker"; then
        kill -s "$signal" "$pid" || die "$worker, process $pid, did not take the signal $signal."
        echo "$worker, process $pid, finishes what it does"
        set -- "$@" "$worker"
    else
        rm -f "$file"
    fi
done
waited=0
while left "$@"; do
    if [ "$waited" -ge "$seconds" ]; then
        [ "$kill" ] || die "Still at work after $seconds seconds:$left. They were asked to end, and not killed."
        for worker in $left; do if worker_lives "$worker"; then kill -s KILL "$pid"; fi; done
        echo "Killed:$left"
        sleep 1
        break
    fi
    [ $((waited % 30)) -ne 29 ] || echo "Waiting for$left"
    waited=$((waited + 1))
    sleep 1
done
for worker; do rm -f "$files/$worker.pid" "$files/$worker.release"; done
echo "$# drained"
"""


@dataclass(frozen=True, kw_only=True)
class DrainWorkers(Preset):
    """Lets the background workers that `spawn-workers` has started finish what they do, and end.

    Right after the switch is the usual time: nothing has stopped then if another host could not be prepared. A worker
    that must not meet the migrated database is drained while preparing instead, and is then missing until the switch.
    """

    usual = Usual(phase=Phase.RESTART, time_limit=900)
    phases = (Phase.PREPARE, Phase.RESTART, Phase.AFTER)
    example = {"name": "mailer", "signal": "TERM", "seconds": 120}

    name: str = parameter(WORKER_NAME, "What they are called.")
    signal: str = parameter(
        Choice(("TERM", "QUIT", "INT", "HUP", "USR1", "USR2")), "What tells them to finish and end.", "TERM"
    )
    seconds: int = parameter(Number(1, 800), "How long they may take.", 120)
    kill: bool = parameter(Truth(), "Whether those that take longer are killed; otherwise the step fails.", False)

    def commands(self) -> tuple[Command, ...]:
        return (Command(script(_BODY, name=self.name, signal=self.signal, seconds=self.seconds, kill=self.kill)),)
