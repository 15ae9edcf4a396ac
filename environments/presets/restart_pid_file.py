from dataclasses import dataclass

from environments.parameters import AnyPath, Choice, Line, Number
from environments.phases import Phase
from environments.preset import Command, Preset, Usual, parameter
from environments.shell_text import script

_BODY = """
case $pid_file in /*) ;; *) pid_file=$DEPLOYER_SHARED_PATH/$pid_file ;; esac
read_pid() { pid=; [ ! -r "$pid_file" ] || read -r pid <"$pid_file" || :; }
lives() { kill -0 "$1" 2>/dev/null || [ -d "/proc/$1" ]; }
read_pid
[ "$pid" ] || die "There is no process id in $pid_file; is the server running?"
case $pid in *[!0-9]*) die "$pid_file does not hold a process id." ;; esac
[ "$pid" -gt 1 ] && lives "$pid" || die "No process has the id $pid that $pid_file holds; is the server running?"
if [ "$process" ]; then
    { tr '\\0' ' ' <"/proc/$pid/cmdline" || ps -p "$pid" -o args=; } 2>/dev/null | grep -F -q -e "$process" ||
        die "The process $pid that $pid_file names is not $process; it got no signal."
fi
old=$pid
kill -s "$signal" "$old" || die "Process $old did not take the signal $signal."
tries=0
done_yet() {
    case $until in
    gone) ! lives "$old" ;;
    replaced) read_pid && [ "$pid" ] && [ "$pid" != "$old" ] && lives "$pid" ;;
    esac
}
until [ "$until" = sent ] || done_yet; do
    tries=$((tries + 1))
    [ "$tries" -le "$seconds" ] || die "Process $old got $signal, but was not $until within $seconds seconds."
    sleep 1
done
echo "Process $old got $signal"
"""


@dataclass(frozen=True, kw_only=True)
class RestartPidFile(Preset):
    """Sends a signal to the process that a file names, and waits if you like until it is gone or replaced."""

    usual = Usual(phase=Phase.RESTART)
    phases = (Phase.RESTART, Phase.AFTER)
    example = {"pid_file": "pids/unicorn.pid", "signal": "USR2", "until": "replaced", "process": "unicorn"}

    pid_file: str = parameter(AnyPath(), "The file; a path that is not absolute is one below the shared folder.")
    signal: str = parameter(Choice(("HUP", "USR1", "USR2", "TERM", "INT", "QUIT")), "The signal.", "HUP")
    until: str = parameter(
        Choice(("sent", "gone", "replaced")),
        "What is waited for: that another process is in the file, or none.",
        "sent",
    )
    seconds: int = parameter(Number(1, 500), "How long that may take.", 60)
    process: str = parameter(
        Line(r"[ -~]{1,200}", "a part of a command line"), "What the process's command line must contain.", ""
    )

    def commands(self) -> tuple[Command, ...]:
        facts = {"pid_file": self.pid_file, "signal": self.signal, "until": self.until, "process": self.process}
        return (Command(script(_BODY, seconds=self.seconds, **facts)),)
