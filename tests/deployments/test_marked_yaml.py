"""YAML from outside: positions, and nothing that surprises or explodes."""

import resource
import sys

import pytest

from deployments.marked_yaml import YamlProblem, parse


def test_plain_values_are_what_they_look_like() -> None:
    text = "a: 1\nb: [x, 'no', \"12:30\", true, null]\nc:\n  d: |\n    two\n    lines\n"
    assert parse(text).plain() == {"a": 1, "b": ["x", "no", "12:30", True, None], "c": {"d": "two\nlines\n"}}
    assert parse("").plain() is parse("# nothing\n").plain() is parse("---\n...\n").plain() is None


def test_nodes_know_where_they_stand() -> None:
    steps = parse("# a comment\nsteps:\n  - name: x\n").value["steps"]
    (step,) = steps.value
    assert (step.value["name"].line, step.value["name"].column) == (3, 11)
    assert (step.keys["name"].line, step.keys["name"].column) == (3, 5)


@pytest.mark.parametrize(
    ("text", "line", "column", "says"),
    [
        ("a: &x 1\n", 1, 4, "Anchors and aliases"),
        ("a: 1\nb: *x\n", 2, 4, "Anchors and aliases"),
        ("a:\n  !!python/object/apply:os.system [id]\n", 2, 3, "Tags are not read"),
        ("a: !!str 1\n", 1, 4, "Tags are not read"),
        ("a: ! 1\n", 1, 4, "Tags are not read"),
        ("%TAG ! tag:x,2000:\n---\na: !b 1\n", 3, 4, "Tags are not read"),
        ("a: 1\nb: 2\na: 3\n", 3, 1, "'a' stands here twice; first in line 1"),
        ("a: {b: 1, 'b': 2}\n", 1, 11, "'b' stands here twice"),
        ("<<: {a: 1}\n", 1, 1, "could mean several things"),
        ("a: no\n", 1, 4, "no could mean several things"),
        ("a: 12:30\n", 1, 4, "could mean several things"),
        ("a: 1.10\n", 1, 4, "could mean several things"),
        ("a: 2026-01-01\n", 1, 4, "could mean several things"),
        ("a: 0755\n", 1, 4, "could mean several things"),
        ("a: 9999999999999999999999\n", 1, 4, "could mean several things"),
        ("1: a\n", 1, 1, "A key must be a text"),
        ("? [a]\n: b\n", 1, 3, "A key must be a text"),
        ("a: [1\n", 2, 1, "expected ',' or ']'"),
        ("a: 1\n\tb: 2\n", 2, 1, "cannot start any token"),
        ("a: b: c\n", 1, 5, "mapping values are not allowed here"),
        ("a: 1\nb: \x07\n", 2, 4, "This character cannot stand in YAML"),
        ("a: 1\n---\nb: 2\n", 2, 1, "There is a second document"),
        ("a: " + "[" * 60_000, 1, 13, "nested too deep"),
        ("- " * 20_000, 1, 21, "nested too deep"),
        ("[" + "1," * 30_000 + "]", 1, 20_000, "holds too much"),
    ],
)
def test_what_is_wrong_is_told_with_its_place(text: str, line: int, column: int, says: str) -> None:
    with pytest.raises(YamlProblem) as told:
        parse(text)
    assert says in told.value.text
    assert (told.value.line, told.value.column) == (line, column)


def test_a_bomb_costs_no_memory() -> None:
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    laughs = "a0: &a0 [x]\n" + "".join(f"a{n}: &a{n} [{f'*a{n - 1},' * 9}]\n" for n in range(1, 50))
    for text in (laughs, "{" * 65_000, "a: |\n" + " x\n" * 20_000, "? " * 30_000, '"' + "\\x41" * 16_000, "!" * 65_000):
        try:
            parse(text)
        except YamlProblem:
            continue
    unit = 1 if sys.platform == "darwin" else 1024
    assert (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * unit < 50 << 20
