"""Ruby's statements, as far as configurations use them. Nothing is ever executed.

A file becomes statements; a statement is a value, mostly a call such as `set :keep_releases, 3`.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from deployments.capistrano.refusals import CannotRead
from deployments.capistrano.ruby_expressions import MODIFIERS, MOST_NESTED, text_of, value_of
from deployments.capistrano.ruby_tokens import Token, tokens_of
from deployments.capistrano.ruby_values import Block, Call

_OPENERS = {"if", "unless", "while", "until", "case", "for", "def", "class", "module", "begin"}
_BETWEEN = {"else", "elsif", "when", "in", "rescue", "ensure"}
_GOES_ON = {
    ",", "(", "[", "{", "+", "-", "*", "/", "||", "&&", "=", "=>", "|", "?", ":", "<<", ".", "&.", "::", "==", "!=",
    "<", ">", "||=", "&&=", "+=",
}  # fmt: skip


@dataclass(frozen=True)
class Statement:
    """`kind`: call, assign (`name` = value), branch (if, def, class …: `body` is all that stands in it), other.

    `condition` is the text of an `if` or `unless` behind it.
    """

    kind: str
    line: int
    source: str
    value: Any = None
    name: str = ""
    body: tuple["Statement", ...] = ()
    condition: str = ""


def read(source: str, file: str) -> tuple[Statement, ...]:
    """The statements of a file. Raises CannotRead."""
    return _Parser(tokens_of(source, file), source, file).all()


def read_value(source: str, file: str, line: int = 1) -> Any:
    """The value that stands in `#{…}`."""
    tokens = [token for token in tokens_of(source, file, line) if token.kind != "nl"]
    return value_of(tokens)


def flat(statements: tuple[Statement, ...]) -> Iterator[Statement]:
    """All statements, with those in branches."""
    for statement in statements:
        yield statement
        yield from flat(statement.body)


def short(source: str) -> str:
    """The first line, for people."""
    first = source.strip().split("\n")[0]
    return first if len(first) <= 100 else f"{first[:99]}…"


class _Parser:
    def __init__(self, tokens: list[Token], source: str, file: str) -> None:
        self.tokens, self.file, self.at, self.nested = tokens, file, 0, 0
        self.lines = source.split("\n")

    def all(self) -> tuple[Statement, ...]:
        found = tuple(self._statements(()))
        if self.at < len(self.tokens):
            raise CannotRead(
                f"{self.file}:{self.tokens[self.at].line}: there is one `{self.tokens[self.at].text}` too many"
            )
        return found

    def _statements(self, closing: tuple[str, ...]) -> Iterator[Statement]:
        """Up to `end` or `}`, which is left."""
        while self.at < len(self.tokens):
            token = self.tokens[self.at]
            if token.kind == "nl" or token.is_op(";"):
                self.at += 1
            elif token.is_word("end") or token.is_op("}"):
                return
            elif token.is_word(*_BETWEEN):
                self._skip_header()
            elif token.is_word(*_OPENERS):
                yield self._branch()
            else:
                yield self._simple()
        if closing:
            raise CannotRead(f"{self.file}: a block has no `{closing[0]}`")

    def _skip_header(self) -> None:
        while self.at < len(self.tokens):
            token = self.tokens[self.at]
            self.at += 1
            if token.kind == "nl" or token.is_word("then", "do") or token.is_op(";"):
                return

    def _inside(self, closing: str) -> tuple[Statement, ...]:
        self.nested += 1
        if self.nested > MOST_NESTED:
            raise CannotRead(f"{self.file}: blocks are nested more than {MOST_NESTED} deep")
        body = tuple(self._statements((closing,)))
        if not (self.tokens[self.at].is_word(closing) or self.tokens[self.at].is_op(closing)):
            raise CannotRead(f"{self.file}:{self.tokens[self.at].line}: a block lacks its `{closing}`")
        self.at += 1
        self.nested -= 1
        return body

    def _branch(self) -> Statement:
        first = self.tokens[self.at]
        header = self.at
        self.at += 1
        if not first.is_word("begin"):
            self._skip_header()
        name = " ".join(token.text for token in self.tokens[header : self.at] if token.kind in ("name", "const"))
        body = self._inside("end")
        return Statement("branch", first.line, self._source(first.line), name=name, body=body)

    def _simple(self) -> Statement:
        first = self.tokens[self.at]
        tokens = self._collect()
        source = self._source(first.line)
        tokens, condition = _split_condition(tokens)
        if len(tokens) > 2 and tokens[0].kind in ("name", "ivar") and tokens[1].is_op("=", "||="):
            return Statement("assign", first.line, source, value_of(tokens[2:]), tokens[0].text, condition=condition)
        value = value_of(tokens)
        kind = "call" if isinstance(value, Call) else "other"
        return Statement(kind, first.line, source, value, condition=condition)

    def _collect(self) -> list[Token]:
        """The tokens of one statement, with each block in it as one token."""
        found: list[Token] = []
        depth = 0
        while self.at < len(self.tokens):
            token = self.tokens[self.at]
            before = found[-1] if found else None
            if token.kind == "nl":
                self.at += 1
                if depth == 0 and not _goes_on(before) and not self._leading_dot():
                    return found
                continue
            if depth == 0 and (token.is_op(";", "}") or token.is_word("end")):
                return found
            if block := self._block(token, before):
                found.append(block)
                continue
            depth += token.is_op("(", "[", "{") - token.is_op(")", "]", "}")
            found.append(token)
            self.at += 1
        return found

    def _block(self, token: Token, before: Token | None) -> Token | None:
        """`do … end`, `{ … }` behind a call or an arrow, or `if … end` where a value is expected."""
        if token.is_word("do") or (token.is_op("{") and _may_have_block(before)):
            self.at += 1
            names = self._parameters()
            body = self._inside("end" if token.is_word("do") else "}")
            return Token("block", token.text, token.line, token.spaced, body=Block(body, names))
        value_expected = before is None or (before.kind in ("op", "label") and not before.is_op(")", "]", "}"))
        if token.is_word(*_OPENERS) and value_expected and before is not None:
            statement = self._branch()
            return Token("branch", statement.source, token.line)
        return None

    def _parameters(self) -> tuple[str, ...]:
        names = []
        if self.at < len(self.tokens) and self.tokens[self.at].is_op("|"):
            self.at += 1
            while self.at < len(self.tokens) and not self.tokens[self.at].is_op("|"):
                names += [self.tokens[self.at].text] if self.tokens[self.at].kind == "name" else []
                self.at += 1
            self.at += 1
        return tuple(names)

    def _leading_dot(self) -> bool:
        rest = (token for token in self.tokens[self.at : self.at + 20] if token.kind != "nl")
        following = next(rest, None)
        return following is not None and following.is_op(".", "&.")

    def _source(self, line: int) -> str:
        last = self.tokens[min(self.at, len(self.tokens)) - 1].line
        return "\n".join(self.lines[line - 1 : max(last, line)]).strip()


def _goes_on(token: Token | None) -> bool:
    return token is not None and (token.is_op(*_GOES_ON) or token.is_word("and", "or", "not") or token.kind == "label")


def _may_have_block(before: Token | None) -> bool:
    return before is not None and (before.kind in ("name", "const") or before.is_op(")", "->"))


def _split_condition(tokens: list[Token]) -> tuple[list[Token], str]:
    depth = 0
    for place, token in enumerate(tokens):
        depth += token.is_op("(", "[", "{") - token.is_op(")", "]", "}")
        if place and depth == 0 and token.is_word(*MODIFIERS):
            return tokens[:place], text_of(tokens[place:])
    return tokens, ""
