"""What a value may be called. Pure.

Values become environment variables of steps and of what steps start, so a name that a program obeys would let who sets
a value run code as the user who deploys. Those names are refused, each with its reason; `REFUSED` is also the table of
docs/configuration.md, which a test holds to be the same.
"""

import re
from typing import NamedTuple

from environments.configuration.errors import NameRefused

LONGEST = 100
_NAME = re.compile(r"[A-Z_][A-Z0-9_]*")


class Refusal(NamedTuple):
    """Names, or beginnings of names that end in `*`, and what they would do."""

    names: tuple[str, ...]
    why: str


REFUSED = (
    Refusal(("LD_*", "DYLD_*", "GCONV_PATH", "LOCPATH", "NLSPATH"), "loads foreign code into every program"),
    Refusal(
        ("PATH", "CDPATH", "IFS", "ENV", "BASH_*", "BASHOPTS", "SHELLOPTS", "PS4", "PROMPT_COMMAND", "GLOBIGNORE"),
        "changes what a shell runs; the folders of PATH are a setting of the target",
    ),
    Refusal(("GIT_*", "SSH_*"), "changes which programs git and ssh run, and whom they trust"),
    Refusal(("SUDO_*",), "is what sudo says of itself"),
    Refusal(("PYTHON*",), "changes which code Python loads; set it in the command that starts the program"),
    Refusal(("PERL5*", "PERLLIB", "RUBYOPT", "RUBYLIB"), "changes which code Perl or Ruby loads"),
    Refusal(
        ("NODE_OPTIONS", "NODE_PATH"), "changes which code Node loads; set it in the command that starts the program"
    ),
    Refusal(
        ("JAVA_TOOL_OPTIONS", "_JAVA_OPTIONS", "JDK_JAVA_OPTIONS", "CLASSPATH"),
        "changes which code Java loads; set it in the command that starts the program",
    ),
    Refusal(("PHPRC", "PHP_INI_SCAN_DIR"), "changes which settings and extensions PHP loads"),
    Refusal(("HOSTALIASES", "RES_OPTIONS", "LOCALDOMAIN"), "changes which machine a name leads to"),
    Refusal(
        ("HOME", "USER", "LOGNAME", "SHELL", "PWD", "OLDPWD", "TMPDIR", "UID", "EUID", "PPID", "_"),
        "belongs to the user who deploys; programs look there for settings that they obey",
    ),
    Refusal(("MAKEFLAGS", "MFLAGS", "MAKEFILES"), "changes what make runs"),
    Refusal(("DEPLOYER_*",), "is what the Deployer tells steps of the deploy"),
)


def check_name(name: str) -> None:
    """Raises NameRefused."""
    if len(name) > LONGEST or not _NAME.fullmatch(name):
        raise NameRefused(
            f"{name[:LONGEST]!r} is no name for a value: capital letters, digits and underscores (at most {LONGEST}), "
            "not beginning with a digit. Nothing was changed."
        )
    for refusal in REFUSED:
        if any(_matches(name, pattern) for pattern in refusal.names):
            raise NameRefused(f"{name} cannot be set: it {refusal.why}. Nothing was changed.")


def _matches(name: str, pattern: str) -> bool:
    return name.startswith(pattern[:-1]) if pattern.endswith("*") else name == pattern
