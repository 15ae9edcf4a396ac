"""Values in shell text: the one place where presets quote."""

import shlex
from textwrap import dedent

_DIE = "die() { printf '%s\\n' \"$*\" >&2; exit 1; }"


def script(body: str, *words: str, **values: str | int | bool) -> str:
    """POSIX shell: the values as variables (a truth is "yes" or ""), `words` as "$@", then `body` as it is.

    In the body, `die SENTENCE` ends the step. Names in capitals are left to the environment of steps.
    """
    lines = [_DIE, *(f"{name}={_quote(value)}" for name, value in values.items())]
    lines += [f"set -- {' '.join(map(shlex.quote, words))}"] if words else []
    return "\n".join([*lines, dedent(body).strip()])


def plain(*words: str) -> str:
    """A command of plain words: what sudo can be allowed by a line of its own."""
    return shlex.join(words)


def block(command: str) -> str:
    """A person's command within a longer text: the text goes on only if it went well."""
    return f"{{ {command}\n}} || exit\n"


def _quote(value: str | int | bool) -> str:
    if isinstance(value, bool):
        return "yes" if value else "''"
    return shlex.quote(str(value))
