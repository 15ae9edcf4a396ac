"""Ruby's text becomes statements and values; whatever is written, nothing runs and nothing else goes wrong."""

import contextlib
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deployments.capistrano.refusals import CannotRead
from deployments.capistrano.ruby import Statement, read
from deployments.capistrano.ruby_tokens import Inner
from deployments.capistrano.ruby_values import Block, Call, Constant, Either, Sum, Symbol, Text, Unknown


def only(source: str) -> Statement:
    (statement,) = read(source, "deploy.rb")
    return statement


def value(source: str) -> Any:
    """What `set :x, …` is given."""
    call = only(f"set :x, {source}").value
    assert isinstance(call, Call)
    return call.args[1] if len(call.args) > 1 else call.named


@pytest.mark.parametrize(
    ("source", "meant"),
    [
        (r"'it\'s'", "it's"),
        (r'"a\tb\"c"', 'a\tb"c'),
        (":main", Symbol("main")),
        (':"a b"', Symbol("a b")),
        ("5", 5),
        ("1_000", 1000),
        ("-1.5", -1.5),
        ("true", True),
        ("nil", None),
        ("[1, 'b', :c,]", [1, "b", "c"]),
        ("%w{a b/c  d}", ["a", "b/c", "d"]),
        ("%w[\n a\n b ]", ["a", "b"]),
        ("%i(a b)", ["a", "b"]),
        ("%q(it's (here))", "it's (here)"),
        ('{ a: 1, "b" => 2, :c => [3], "d": 4 }', {"a": 1, "b": 2, "c": [3], "d": 4}),
        ("a: 1, b: 2", {"a": 1, "b": 2}),
        ('"a" + "b"', Sum("a", "b")),
        ("[1] + [2]", Sum([1], [2])),
        ("ENV['X'] || 'y'", Either(Call("[]", ("X",), receiver=Constant("ENV")), "y")),
        ("fetch(:a, 'b')", Call("fetch", ("a", "b"))),
        ("fetch :a", Call("fetch", ("a",))),
        ("a.b(1).c", Call("c", receiver=Call("b", (1,), receiver=Call("a")))),
        ("File.join('a', 'b')", Call("join", ("a", "b"), receiver=Constant("File"))),
        ("`git log`", Unknown('"git log"')),
        ('"/srv/#{fetch(:a)}/x"', Text(("/srv/", Inner("fetch(:a)", 1), "/x"))),
        ('"#{h["k"]}"', Text((Inner('h["k"]', 1),))),
        ("x ? 1 : 2", Unknown("x ? 1 : 2")),
        ("a == b", Unknown("a == b")),
    ],
)  # fmt: skip
def test_values(source: str, meant: object) -> None:
    found = value(source)
    assert isinstance(found, meant) if isinstance(meant, type) else found == meant


@pytest.mark.parametrize("source", ["-> { 'x' }", "lambda { 'x' }", "proc { 'x' }", "->() { 'x' }", "-> do\n 'x'\nend"])
def test_lambdas_are_blocks(source: str) -> None:
    block = value(source)
    assert isinstance(block, Block)
    assert [statement.value for statement in block.body] == ["x"]


def test_statements_go_on_over_lines() -> None:
    found = read(
        "append :a, 'b',\n  'c'\nx = [\n 1,\n 2\n]\nserver 'h',\n  user: 'd', # who\n  roles: %w{a}\ny\n  .z\n", "f"
    )
    assert [(one.kind, one.line) for one in found] == [("call", 1), ("assign", 3), ("call", 7), ("call", 10)]
    assert found[1].value == [1, 2]
    assert found[2].value.named == {"user": "d", "roles": ["a"]}


def test_comments_heredocs_and_the_end() -> None:
    source = "# x\n=begin\nset :no, 1\n=end\nset :a, <<~SH, 1\n  it's #{x}\nSH\nset :b, <<-'T'\n#{y}\n  T\n__END__\n'"
    first, second = read(source, "f")
    assert first.value.args == ("a", Text(("  it's ", Inner("x", 6), "\n")), 1)
    assert second.value.args[1] == "#{y}\n"


def test_blocks_nest_and_tell_their_names() -> None:
    statement = only("namespace :a do\n task :b do |t|\n  on roles(:app) do |host|\n execute :ls\n end\n end\nend")
    task = statement.value.block.body[0].value
    assert (task.name, task.block.names) == ("task", ("t",))
    on = task.block.body[0].value
    assert on.args == (Call("roles", ("app",)),)
    assert (on.block.names, on.block.body[0].value) == (("host",), Call("execute", ("ls",)))


def test_branches_and_conditions_are_known_as_such() -> None:
    found = read("if a\n set :x, 1\nelsif b\n set :x, 2\nelse\n set :x, 3\nend\nset :y, 1 if c == 2\nset :z, 4", "f")
    assert [one.kind for one in found] == ["branch", "call", "call"]
    assert [inner.value.args[1] for inner in found[0].body] == [1, 2, 3]
    assert found[1].condition == "if c == 2"
    assert found[2].condition == ""


def test_a_value_that_is_decided_is_unknown() -> None:
    statement = only("x = if a\n 1\nelse\n 2\nend")
    assert (statement.kind, statement.name) == ("assign", "x")
    assert isinstance(statement.value, Unknown)


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("a\nset :x, 'y", "f:2: the text that begins with ' has no end"),
        ("x = <<~A\n b", "f:1: the text <<A has no end"),
        ("task :a do\n x", "f: a block has no `end`"),
        ("a\nend", "f:2: there is one `end` too many"),
        ("x { y", "f: a block has no `}`"),
        ("a { " * 100, "f: blocks are nested more than 60 deep"),
    ],
)
def test_what_cannot_be_read_is_said_with_its_line(source: str, said: str) -> None:
    with pytest.raises(CannotRead) as error:
        read(source, "f")
    assert str(error.value) == said


PIECES = st.lists(
    st.sampled_from(
        [
            "set", ":x", "'", '"', "#{", "}", "{", "[", "]", "(", ")", "do", "end", "if", "\n", " ", ",", "=>", "->",
            "|", "a:", "%w", "<<~A", "A", "/", "::", ".", "+", "||", "?", ":", "1", "x", "\\", "`", "#", "=begin",
            "__END__", "&", "*",
        ]
    ),
    max_size=40,
)  # fmt: skip


@settings(max_examples=400, deadline=None)
@given(PIECES)
def test_whatever_is_written_only_one_error_comes(pieces: list[str]) -> None:
    with contextlib.suppress(CannotRead):
        read("".join(pieces), "f")


@pytest.mark.parametrize("piece", ["[", "(", "a(", "a [", "-> { ", "if x\n", "a + ", "a.b ", "{ a: "])
def test_no_depth_is_too_much(piece: str) -> None:
    source = piece * 1000
    with contextlib.suppress(CannotRead):
        read(source, "f")
