from dataclasses import dataclass

from environments.parameters import Choice, Line, Number, Several
from environments.phases import Phase
from environments.preset import Command, Preset, Usual, parameter
from environments.shell_text import plain, script

_USER = """
XDG_RUNTIME_DIR=${XDG_RUNTIME_DIR:-/run/user/$(id -u)}
export XDG_RUNTIME_DIR
systemctl --user "$@"
"""
_CHECK = """
sleep "$settle"
for unit; do
    state=$(systemctl $scope is-active "$unit")
    echo "$unit is $state"
    [ "$state" = active ] || failed=$failed$unit
done
[ -z "${failed-}" ] || die "Not every unit is active $settle seconds after the restart."
"""


@dataclass(frozen=True, kw_only=True)
class RestartSystemd(Preset):
    """Restarts units of systemd, and looks a moment later whether they are still active.

    `usual` has sudo on, for units of the system; take it off for `scope: user`.
    """

    usual = Usual(phase=Phase.RESTART, sudo=True)
    phases = (Phase.RESTART, Phase.AFTER)
    example = {"units": ["shop-web.service", "shop-jobs.service"], "action": "restart"}

    units: tuple[str, ...] = parameter(
        Several(Line(r"[A-Za-z0-9_][A-Za-z0-9:_.@-]{0,200}", "a systemd unit")), "What is restarted."
    )
    action: str = parameter(
        Choice(("restart", "reload", "reload-or-restart", "try-restart")), "How, in systemd's word.", "restart"
    )
    scope: str = parameter(Choice(("system", "user")), "`user` is the SSH user's own systemd.", "system")
    settle: int = parameter(Number(0, 300), "Seconds until the units are looked at; 0: they are not.", 2)

    def commands(self) -> tuple[Command, ...]:
        if self.scope == "user":
            act = script(_USER, self.action, *self.units)
        else:
            act = plain("systemctl", self.action, *self.units)
        option = "--user" if self.scope == "user" else "--system"
        look = script(_CHECK, *self.units, settle=self.settle, scope=option)
        return (Command(act), *([Command(look, "check", sudo=False)] if self.settle else []))
