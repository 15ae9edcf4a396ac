"""${NAME} in files of the repository. Pure; nothing but names is understood, so a file can do nothing."""

import re
from collections.abc import Mapping

from environments.configuration.errors import ConfigurationError

# `$${` first, so that what is escaped is never taken for a place.
_PLACE = re.compile(r"\$\$\{|\$\{([A-Z_][A-Z0-9_]*)\}|\$\{[^}\n]{0,60}\}?")


class PlaceUnknown(ConfigurationError):
    """`line` counts from 1."""

    def __init__(self, file: str, line: int, text: str) -> None:
        self.file, self.line = file, line
        super().__init__(f"{file}, line {line}: {text}")


def substitute(text: str, values: Mapping[str, str], *, file: str) -> str:
    """The text with the value for each ${NAME}, and `${` for each `$${`. Raises PlaceUnknown."""

    def one(found: re.Match[str]) -> str:
        if found[0] == "$${":
            return "${"
        name = found[1]
        if name is None or name not in values:
            raise PlaceUnknown(file, text.count("\n", 0, found.start()) + 1, _told(found[0], name))
        return values[name]

    return _PLACE.sub(one, text)


def _told(place: str, name: str | None) -> str:
    if name is None:
        return f"{place!r} is no place for a value; ${{NAME}} is, and a plain ${{ is written $${{."
    return f"nothing is set for ${{{name}}}. Set {name} in some layer, or write $${{ where a plain ${{ is meant."
