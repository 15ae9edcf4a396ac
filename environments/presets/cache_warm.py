from dataclasses import dataclass

from environments.http_request import HTTP_STATUS
from environments.parameters import Line, Number, Several
from environments.phases import Phase
from environments.preset import Command, Preset, Usual, parameter
from environments.shell_text import script

_BODY = f"""{HTTP_STATUS}
for path; do
    tries=0
    until http_status "$path" && [ "$status" = "$expect" ]; do
        tries=$((tries + 1))
        if [ "$tries" -ge "$patience" ]; then
            [ "$status" != 000 ] || die "Nothing answered $path on port $port, in $tries tries."
            die "$path on port $port answered $status, not $expect, in $tries tries."
        fi
        sleep 1
    done
    echo "$status $path"
done
"""


@dataclass(frozen=True, kw_only=True)
class CacheWarm(Preset):
    """Asks the application for pages, from the host itself, until each answers as expected.

    It uses curl, perl or wget, whichever is there first, speaks plain HTTP with 127.0.0.1 and follows no redirect.
    """

    usual = Usual(phase=Phase.AFTER)
    phases = (Phase.RESTART, Phase.AFTER)
    example = {"paths": ["/", "/products?page=1"], "port": 8080, "host": "shop.example"}

    paths: tuple[str, ...] = parameter(
        Several(Line(r"/[!-~]{0,500}", "a path from the slash on, as /products?page=1"), most=200), "What is asked for."
    )
    port: int = parameter(Number(1, 65_535), "Where it listens; by default the application's port on the host.", 0)
    host: str = parameter(
        Line(r"[A-Za-z0-9.-]{1,253}(:[0-9]{1,5})?", "a host name"), "The name it is asked by.", "localhost"
    )
    expect: int = parameter(Number(100, 599), "The status that each answer must have.", 200)
    seconds: int = parameter(Number(1, 300), "How long one answer may take.", 10)
    patience: int = parameter(Number(1, 600), "How often each page is asked for, once a second.", 30)

    def commands(self) -> tuple[Command, ...]:
        work = script(
            _BODY, *self.paths, port=self.port or "", host=self.host, expect=self.expect, seconds=self.seconds,
            patience=self.patience,
        )  # fmt: skip
        return (Command(work),)
