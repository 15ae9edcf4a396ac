"""What is executed on a host: our shell and perl, without their comments, quoted into one command line."""

from functools import cache
from pathlib import Path
from typing import Literal

from deployments.host_values import quote

_FOLDER = Path(__file__).parent / "hostside"


@cache
def text_of(*names: str, suffix: str = "sh") -> str:
    """Our files without their comments: hosts read a program byte by byte."""
    lines = (line for name in names for line in (_FOLDER / f"{name}.{suffix}").read_text().splitlines())
    return "".join(f"{line}\n" for line in lines if line.strip() and not line.lstrip().startswith("#"))


RUNNER = text_of("tools", "sessions", "runner")
_BEGIN = text_of("begin")
_OBSERVING = "observe_live\nobserve_releases\nobserve_programs\nobserve_tools\n"
_TEXTS = {
    "observe": text_of("tools", "observe") + _OBSERVING,
    "look": text_of("tools", "look"),
    "probe": text_of("tools", "observe", "probe"),
    "examine": text_of("tools", "observe", "probe", "examine"),
    "capistrano": text_of("tools", "observe", "capistrano"),
    "leave": text_of("tools", "gate", "leave"),
    "remove": text_of("tools", "gate", "remove"),
}
# As one perl process, and as a shell.
_QUICK_TEXTS = {
    "start": (text_of("gate", "start", suffix="pl"), text_of("tools", "gate", "sessions", "loader")),
    "switch": (text_of("gate", "flip", suffix="pl"), text_of("tools", "gate", "adopt", "switch")),
}


def command(
    what: Literal["observe", "look", "probe", "examine", "capistrano", "leave", "remove"], *arguments: str
) -> str:
    return f"exec sh -c {_quoted(_TEXTS[what])} {host_words('deployer', *arguments)}"


def quick_command(path: str, what: Literal["start", "switch"], *arguments: str) -> str:
    """One perl process where the host has perl and the case is a usual one; otherwise a shell."""
    quick, thorough = _QUICK_TEXTS[what]
    texts = f"{_quoted(_BEGIN)} deployer {_quoted(quick)} {_quoted(thorough)}"
    return f"exec sh -c {texts} {host_words(path, *arguments)}"


def host_words(*values: str) -> str:
    return " ".join(quote(value) for value in values)


@cache
def _quoted(text: str) -> str:
    """One of the few texts above, which are the same for all hosts."""
    return quote(text)
