from dataclasses import dataclass

from environments.parameters import AnyPath, Choice, Line, Several
from environments.phases import Phase
from environments.preset import Command, Preset, Usual, parameter
from environments.shell_text import plain


@dataclass(frozen=True, kw_only=True)
class RestartSupervisor(Preset):
    """Restarts programs of supervisor, and asks it afterwards whether they run. Needs supervisor 4 or newer."""

    usual = Usual(phase=Phase.RESTART)
    phases = (Phase.RESTART, Phase.AFTER)
    example = {"programs": ["shop:*"]}

    programs: tuple[str, ...] = parameter(
        Several(Line(r"[A-Za-z0-9_][A-Za-z0-9_.-]*(:([A-Za-z0-9_.-]+|\*))?", "a program or group:*")), "What."
    )
    action: str = parameter(Choice(("restart", "start", "update")), "How, in supervisorctl's word.", "restart")
    configuration: str = parameter(AnyPath(), "Supervisor's configuration, if not the usual one.", "")

    def commands(self) -> tuple[Command, ...]:
        tool = ("supervisorctl", *(("-c", self.configuration) if self.configuration else ()))
        # `update` takes groups, without the star
        names = [name.partition(":")[0] for name in self.programs] if self.action == "update" else self.programs
        return (Command(plain(*tool, self.action, *names)), Command(plain(*tool, "status", *self.programs), "check"))
