"""Which names values may have: those that programs obey are refused."""

from pathlib import Path

import pytest

from environments.configuration.errors import NameRefused
from environments.configuration.names import REFUSED, check_name


@pytest.mark.parametrize("name", ["A", "_A", "DATABASE_URL", "X9", "LDAP_URL", "PATHS", "ENVIRONMENT", "GITHUB_TOKEN"])
def test_an_ordinary_name_is_taken(name: str) -> None:
    check_name(name)


@pytest.mark.parametrize("name", ["", "a", "9A", "A-B", "A B", "A=B", "Ä", "A\n", "A" * 101, "$(id)", "A;B"])
def test_what_is_no_name_is_refused(name: str) -> None:
    with pytest.raises(NameRefused, match="no name for a value"):
        check_name(name)


@pytest.mark.parametrize(
    "name",
    [
        *("LD_PRELOAD", "LD_LIBRARY_PATH", "LD_AUDIT", "DYLD_INSERT_LIBRARIES", "BASH_ENV", "BASH_FUNC_X", "ENV"),
        *("PATH", "IFS", "PS4", "SHELLOPTS", "GIT_SSH_COMMAND", "GIT_DIR", "SSH_ASKPASS", "PYTHONPATH"),
        *("PERL5OPT", "PERL5LIB", "RUBYOPT", "NODE_OPTIONS", "JAVA_TOOL_OPTIONS", "_JAVA_OPTIONS", "HOME", "TMPDIR"),
        *("PYTHONSTARTUP", "DEPLOYER_ROOT", "SUDO_ASKPASS", "CDPATH", "MAKEFLAGS", "GCONV_PATH"),
    ],
)
def test_what_programs_obey_is_refused_with_its_reason(name: str) -> None:
    with pytest.raises(NameRefused) as refused:
        check_name(name)
    assert str(refused.value).startswith(f"{name} cannot be set: it ")


@pytest.mark.parametrize("pattern", [name for refusal in REFUSED for name in refusal.names])
def test_all_that_is_listed_is_refused(pattern: str) -> None:
    with pytest.raises(NameRefused, match="cannot be set"):
        check_name(pattern.replace("*", "X"))


def test_the_documentation_lists_what_is_refused() -> None:
    text = (Path(__file__).parents[3] / "docs/configuration.md").read_text()
    rows = ["| " + ", ".join(f"`{name}`" for name in refusal.names) + f" | it {refusal.why} |" for refusal in REFUSED]
    assert [line for line in text.split("| name | why |")[1].splitlines() if line.startswith("| `")] == rows
