"""What is written for a .env file, read back by real readers: shells, python-dotenv, and systemd's rules."""

import json
import os
import shutil
import subprocess
from io import StringIO
from pathlib import Path

import pytest
from dotenv import dotenv_values
from hypothesis import given, settings
from hypothesis import strategies as st

from environments.configuration.writing import env_text, env_word, export_text, forms_of, json_text, read_differently

HOSTILE = [
    *("", " ", "plain", "with space", " both ends ", "it's", 'say "x"', 'it\'s "both"', "#no comment", "a#b", "a=b=c"),
    *(
        "$HOME",
        "${HOME}",
        "$(id)",
        "`id`",
        "\\",
        "a\\",
        "\\\\",
        "a\\nb",
        "\\'",
        "'\\''",
        "a\nb\n",
        "\n",
        "\t",
        "!x",
        "~",
    ),
    *("a'b$c", "a'b`c", "'${X}'", "ÄÖ✓", "-----BEGIN KEY-----\nab+/=\n-----END KEY-----\n", "*", "a;b&c|d", "%s%n"),
    *("export A=1", "\\t", '\\"', "x" * 5000, "a\\\nb", "a'\\\nb", "$${X}", "{}", "'" * 7, '"' * 7, "\\" * 7, "\u2028"),
]
texts = st.text(
    st.characters(exclude_categories=("Cs", "Cc"), include_characters="\t\n") | st.sampled_from("'\"\\$`{}#= \n"),
    max_size=30,
)


def by_shell(shell: str, text: str, names: list[str], folder: Path) -> list[str]:
    """What the names are after `. FILE`."""
    (folder / "file").write_text(text)
    program = 'set -a; . "$1"; shift; for name; do eval "printf \'%s\\0\' \\"\\${$name}\\""; done'
    command = [*shell.split(), "-c", program, "sh", str(folder / "file"), *names]
    out = subprocess.run(command, check=True, capture_output=True, env={"PATH": os.environ["PATH"]}).stdout
    return out.decode().split("\0")[:-1]


def by_systemd(text: str) -> dict[str, str]:
    """The rules of EnvironmentFile= (systemd.exec(5)): comments, quotes of both kinds, backslashes in double ones."""
    found: dict[str, str] = {}
    at = 0
    while at < len(text):
        if text[at] in "#;":
            at = text.index("\n", at) + 1
            continue
        name, _, _ = text[at:].partition("=")
        at += len(name) + 1
        value, quote = "", ""
        while quote or text[at] != "\n":
            char = text[at]
            if quote == '"' and char == "\\":
                at += 1
                value += text[at] if text[at] in '"\\`$' else "" if text[at] == "\n" else "\\" + text[at]
            elif char == quote:
                quote = ""
            elif not quote and char in "'\"":
                quote = char
            else:
                value += char
            at += 1
        found[name] = value
        at += 1
    return found


@pytest.mark.parametrize("shell", ["dash", "bash", "busybox sh", "bash --posix"])
def test_shells_read_every_value_back(shell: str, tmp_path: Path) -> None:
    assert shutil.which(shell.split()[0])
    values = {f"A{n}": value for n, value in enumerate(HOSTILE)}
    assert by_shell(shell, env_text(values), list(values), tmp_path) == HOSTILE
    assert by_shell(shell, export_text(values), list(values), tmp_path) == HOSTILE


def test_systemd_reads_every_value_back() -> None:
    values = {f"A{n}": value for n, value in enumerate(HOSTILE)}
    assert by_systemd(env_text(values)) == values


@pytest.mark.parametrize("value", HOSTILE)
def test_python_dotenv_reads_it_back_or_we_say_that_it_does_not(value: str) -> None:
    (read,) = dotenv_values(stream=StringIO(env_text({"A": value}))).values()
    assert (read == value) == (not read_differently(value))


@settings(max_examples=400, deadline=None)
@given(texts)
def test_any_value_at_all(value: str) -> None:
    assert by_systemd(env_text({"A": value, "B": "next"})) == {"A": value, "B": "next"}
    read = dotenv_values(stream=StringIO(env_text({"A": value, "B": "next"})))
    assert read["B"] == "next"
    if not read_differently(value):
        assert read["A"] == value


@settings(max_examples=40, deadline=None)
@given(st.lists(texts, min_size=1, max_size=40))
def test_any_values_in_a_real_shell(tmp_path_factory: pytest.TempPathFactory, values: list[str]) -> None:
    named = {f"A{n}": value for n, value in enumerate(values)}
    folder = tmp_path_factory.mktemp("env")
    assert by_shell("dash", env_text(named), list(named), folder) == values


def test_nearly_everything_is_read_alike_by_all() -> None:
    different = [value for value in HOSTILE if read_differently(value)]
    assert different == ["${HOME}", "a'b$c", "a'b`c", "'${X}'", "$${X}"]


def test_json_is_one_object_of_texts() -> None:
    values = {f"A{n}": value for n, value in enumerate(HOSTILE)}
    assert json.loads(json_text(values)) == values


@pytest.mark.parametrize("value", HOSTILE)
def test_masks_know_the_forms_in_which_files_have_it(value: str) -> None:
    assert any(form in env_word(value) for form in {value, *forms_of(value)})
    assert any(form in json_text({"A": value}) for form in forms_of(value))
