"""Values as text for files and shells. Pure: what is quoted here is read back as the very same text.

A `.env` file is read by POSIX sh (`.`), by systemd (EnvironmentFile=) and by python-dotenv, which have different rules.
A value stands in single quotes where all of them take what is in between as it is, else in double quotes with
backslashes before what sh and systemd would obey. For the few values that python-dotenv then still reads in its own way
(`read_differently`), there is the JSON file.
"""

import json
import re
import shlex
from collections.abc import Mapping

HEADER = "# Written by the Deployer for this release; change the values there, not here.\n"
_INTERPOLATED = re.compile(r"\$\{[^}]*\}")  # python-dotenv puts other variables there, in quotes too
_OBEYED = re.compile(r'([\\"$`])')


def env_text(values: Mapping[str, str]) -> str:
    """Lines of NAME='value'. No value has control characters besides tab and newline."""
    return HEADER + "".join(f"{name}={env_word(value)}\n" for name, value in sorted(values.items()))


def env_word(value: str) -> str:
    """One value of a .env file."""
    if _is_plain(value):
        return f"'{value}'"
    return '"' + _OBEYED.sub(r"\\\1", value) + '"'


def _is_plain(value: str) -> bool:
    """Whether single quotes will do: python-dotenv takes a backslash there for an escape before another and a quote."""
    return "'" not in value and "\\\\" not in value and not value.endswith("\\")


def read_differently(value: str) -> str:
    """Why python-dotenv reads this value otherwise than sh and systemd do; "" for nearly all."""
    if _is_plain(value):
        return "it replaces ${…}" if _INTERPOLATED.search(value) else ""
    return "it keeps the backslash before $ or `" if "$" in value or "`" in value else ""


def json_text(values: Mapping[str, str]) -> str:
    """One object of texts."""
    return json.dumps(dict(sorted(values.items())), ensure_ascii=False, indent=2) + "\n"


def export_text(values: Mapping[str, str]) -> str:
    """The same as commands of a POSIX shell, for steps."""
    return "".join(f"export {name}={shlex.quote(value)}\n" for name, value in sorted(values.items()))


def forms_of(value: str) -> frozenset[str]:
    """How a value stands in these files, for masks: quoted, and as JSON writes it."""
    return frozenset({_OBEYED.sub(r"\\\1", value), *(json.dumps(value, ensure_ascii=a)[1:-1] for a in (True, False))})
