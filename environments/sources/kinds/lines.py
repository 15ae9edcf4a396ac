"""A list that is kept here: one host to a line, as people paste them."""

from collections.abc import Mapping

from environments import host_lines
from environments.host_lines import HostLine
from environments.sources.listing import Asked, Field, Found, Listing, Told, Wrong

WAITS = False
TOLD = Told(
    "lines",
    "Lines",
    "A list that is kept here, one host to a line. Change it, look at what that would do, and save.",
    (
        Field(
            "lines",
            "Hosts, one to a line",
            "`user@host:port`, perhaps `as web-1`, perhaps `via user@bastion`. A line `via user@bastion` is for all "
            "below it; `#` begins a comment.",
            "area",
            placeholder="deploy@web-1.example.com\ndeploy@10.0.0.7:2222 as web-2",
        ),
    ),
)


def check(asked: Asked) -> Mapping[str, str]:
    return {} if asked.settings.get("lines", "").strip() else {"lines": "Write at least one host."}


def read(asked: Asked) -> Listing:
    try:
        found = host_lines.read(asked.settings["lines"], user=asked.user)
    except host_lines.LinesWrong as error:
        wrong = tuple(Wrong(f"Line {number}", text) for number, text in error.problems.items())
        return Listing(_readable(asked, set(error.problems)), wrong)
    return Listing(tuple(_found(line) for line in found))


def _readable(asked: Asked, problems: set[int]) -> tuple[Found, ...]:
    """The lines that are right; those that are not become empty, so that the others keep their numbers."""
    lines = asked.settings["lines"].splitlines()
    if max(problems) > len(lines) or len(lines) > host_lines.MOST_LINES:
        return ()
    kept = ["" if number in problems else line for number, line in enumerate(lines, start=1)]
    return tuple(_found(line) for line in host_lines.read("\n".join(kept), user=asked.user))


def _found(line: HostLine) -> Found:
    place = line.place
    key = line.name or (f"{place.address}:{place.port}" if place.port != 22 else place.address)
    return Found(key, place.address, place.port, place.user, line.name, line.via)
