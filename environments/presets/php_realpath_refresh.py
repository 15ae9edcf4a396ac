from dataclasses import dataclass

from environments.parameters import Line
from environments.phases import Phase
from environments.preset import Command, Preset, Usual, parameter
from environments.shell_text import plain


@dataclass(frozen=True, kw_only=True)
class PhpRealpathRefresh(Preset):
    """Reloads PHP-FPM gracefully, so that every worker forgets where `current` led and the code it had compiled.

    PHP remembers for two minutes (`realpath_cache_ttl`) what a link leads to, in each worker by itself. So after a
    switch some requests get old code, some new, and some a mixture. Only a reload reaches all workers; requests that
    run are finished first if FPM's `process_control_timeout` is set. With nginx's `fastcgi_param SCRIPT_FILENAME
    $realpath_root$fastcgi_script_name` PHP never sees the link, and this step is not needed.
    """

    usual = Usual(phase=Phase.RESTART, sudo=True)
    phases = (Phase.RESTART, Phase.AFTER)
    example = {"service": "php8.3-fpm"}

    service: str = parameter(Line(r"[A-Za-z0-9_][A-Za-z0-9:_.@-]{0,200}", "a systemd unit"), "PHP-FPM's unit.")

    def commands(self) -> tuple[Command, ...]:
        return (Command(plain("systemctl", "reload", self.service)),)
