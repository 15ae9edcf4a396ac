from dataclasses import dataclass

from environments.http_request import HTTP_STATUS
from environments.parameters import Choice, Line, Number, RelativePath
from environments.phases import Phase
from environments.preset import Command, Preset, Usual, parameter
from environments.shell_text import plain, script

# The name cannot be guessed, and the file is gone when the step ends. 204 says that PHP ran it: a server that gives the
# file out as text says 200. It lies in earlier releases too: a worker that has cached where `current` led looks there.
_BODY = f"""{HTTP_STATUS}
cd "$DEPLOYER_CURRENT_PATH/$web_folder" || die "$web_folder is no folder of this release."
name=refresh-$(dd if=/dev/urandom bs=16 count=1 2>/dev/null | od -An -tx1 | tr -d ' \\n').php
trap 'rm -f "$name" "$DEPLOYER_ROOT"/releases/*/"$web_folder/$name"' EXIT
trap 'exit 1' INT TERM HUP
code='if (function_exists("opcache_reset")) opcache_reset(); clearstatcache(true); http_response_code(204);'
lay() {{ printf '<?php %s' "$code" >"$1/$name" && chmod 644 "$1/$name"; }}
lay . || die "No file can be written to $web_folder."
for earlier in "$DEPLOYER_ROOT"/releases/*/"$web_folder"; do
    [ ! -w "$earlier" ] || lay "$earlier" || :
done
http_status "/$name"
[ "$status" = 204 ] || die "The script that empties PHP's caches answered $status, not 204; does PHP serve port $port?"
"""


@dataclass(frozen=True, kw_only=True)
class PhpOpcacheReset(Preset):
    """Empties PHP's opcode cache without a reload, by cachetool or by a script that the web server runs once.

    The opcode cache is shared by all workers; the cache of paths is not, and only that of one worker is emptied. Where
    `current` is what the web server passes to PHP, use `php-realpath-refresh`.
    """

    usual = Usual(phase=Phase.RESTART)
    phases = (Phase.RESTART, Phase.AFTER)
    example = {"method": "cachetool", "fcgi": "/run/php/php8.3-fpm.sock"}

    method: str = parameter(Choice(("cachetool", "script")), "`script` puts a file there and asks for it.", "cachetool")
    fcgi: str = parameter(
        Line(r"/[A-Za-z0-9._/-]{1,200}|[A-Za-z0-9.-]{1,253}:[0-9]{1,5}", "a socket's path, or host:port"),
        "For cachetool: where PHP-FPM listens.",
        "",
    )
    web_folder: str = parameter(RelativePath(), "For script: the folder that the web server serves.", "public")
    port: int = parameter(Number(1, 65_535), "For script: by default the application's port on the host.", 0)
    host: str = parameter(
        Line(r"[A-Za-z0-9.-]{1,253}(:[0-9]{1,5})?", "a host name"), "For script: the name it is asked by.", "localhost"
    )

    def problem(self) -> str:
        return "Say with fcgi where PHP-FPM listens." if self.method == "cachetool" and not self.fcgi else ""

    def commands(self) -> tuple[Command, ...]:
        if self.method == "cachetool":
            to = f"--fcgi={self.fcgi}"
            return (
                Command(plain("cachetool", "opcache:reset", to)),
                Command(plain("cachetool", "stat:clear", to), "paths"),
            )
        port = self.port or ""
        return (Command(script(_BODY, web_folder=self.web_folder, host=self.host, port=port, seconds=20)),)
