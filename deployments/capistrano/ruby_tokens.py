"""Ruby's text as tokens. Nothing is ever executed; what a configuration does not use is only passed over.

The kinds: name, const, ivar, sym, label (`roles:`), str, words (`%w[a b]`), num, regex, shell (backticks), op, nl, and
block, which the parser makes. Raises CannotRead with file and line.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from deployments.capistrano.refusals import CannotRead

_SPACE = re.compile(r"[ \t\r]+|\\\r?\n|#[^\n]*")
_NAME = re.compile(r"[A-Za-z_\u0080-\uffff][\w\u0080-\uffff]*[?!]?(?!=[^=~>])|[A-Za-z_][\w]*")
_NUMBER = re.compile(r"\d[\d_]*(?:\.\d+)?(?:[eE][+-]?\d+)?")
_OPERATOR = re.compile(r"\*\*|=>|->|===?|=~|!=|!~|>=|<=>?|&&=?|\|\|=?|<<|>>|&\.|::|\.\.\.?|[+*/%&|^-]=|.", re.DOTALL)
_HEREDOC = re.compile(r"<<([~-]?)(['\"`]?)([A-Za-z_]\w*)\2")
_PERCENT = re.compile(r"%([wWiIqQxr]?)([^\w\s])")
_SIMPLE_SYMBOL = re.compile(r":([A-Za-z_]\w*[?!=]?(?![=~>])|[A-Za-z_]\w*[?!]?)")
_CLOSING = {"(": ")", "[": "]", "{": "}", "<": ">"}
_ESCAPES = {"n": "\n", "t": "\t", "r": "\r", "s": " ", "0": "\0", "e": "\x1b", "a": "\a", "b": "\b"}
# after these a value begins: a slash opens a regex, << a heredoc
_VALUES = {"name", "const", "ivar", "sym", "str", "words", "num", "regex", "shell", "block"}


@dataclass(frozen=True)
class Inner:
    """`#{…}` in a text."""

    source: str
    line: int


Part = str | Inner


@dataclass(frozen=True)
class Token:
    """`text` is the name, operator or symbol; `parts` a text's parts or a list of words; `spaced`: behind a space."""

    kind: str
    text: str
    line: int
    spaced: bool = False
    parts: tuple[Part, ...] = ()
    body: object = None

    def is_op(self, *texts: str) -> bool:
        return self.kind == "op" and self.text in texts

    def is_word(self, *texts: str) -> bool:
        return self.kind == "name" and self.text in texts


def tokens_of(source: str, file: str, first_line: int = 1) -> list[Token]:
    """All tokens of a file, or of what stands in `#{…}`."""
    return _Lexer(source, file, first_line).run()


class _Lexer:
    def __init__(self, source: str, file: str, first_line: int) -> None:
        self.source, self.file = source, file
        self.at, self.line = 0, first_line
        self.found: list[Token] = []
        self.heredocs: list[tuple[int, str, bool, bool]] = []  # place in `found`, name, indented, literal

    def run(self) -> list[Token]:
        while self.at < len(self.source):
            spaced = self._skip_space()
            if self.at >= len(self.source) or self.source.startswith("__END__", self._line_start()):
                break
            if self.source[self.at] == "\n":
                self._add("nl", "\n", spaced)
                self._newline()
            else:
                self._take(spaced)
        self._add("nl", "\n", False)
        return self.found

    def _line_start(self) -> int:
        return self.at if self.at == 0 or self.source[self.at - 1] == "\n" else len(self.source)

    def _fail(self, what: str, line: int) -> CannotRead:
        return CannotRead(f"{self.file}:{line}: {what}")

    def _add(self, kind: str, text: str, spaced: bool, parts: Sequence[Part] = (), line: int = 0) -> None:
        self.found.append(Token(kind, text, line or self.line, spaced, tuple(parts)))

    def _skip_space(self) -> bool:
        start = self.at
        while True:
            if self.source.startswith("=begin", self._line_start()):
                end = self.source.find("\n=end", self.at)
                stop = self.source.find("\n", end + 1) if end >= 0 else -1
                self._advance(stop if stop >= 0 else len(self.source))
            found = _SPACE.match(self.source, self.at)
            if not found:
                return self.at > start
            self._advance(found.end())

    def _advance(self, to: int) -> None:
        self.line += self.source.count("\n", self.at, to)
        self.at = to

    def _newline(self) -> None:
        self._advance(self.at + 1)
        for place, name, indented, literal in self.heredocs:
            indent = r"[ \t]*" if indented else ""
            end = re.compile(rf"^{indent}{re.escape(name)}\r?$", re.MULTILINE)
            found = end.search(self.source, self.at)
            token = self.found[place]
            if not found:
                raise self._fail(f"the text <<{name} has no end", token.line)
            body = self.source[self.at : found.start()]
            parts = (body,) if literal else _parts(body, self.line)
            self.found[place] = Token("str", "", token.line, token.spaced, parts)
            self._advance(min(found.end() + 1, len(self.source)))
        self.heredocs = []

    def _take(self, spaced: bool) -> None:
        char, before = self.source[self.at], self.found[-1] if self.found else None
        value_before = before is not None and (before.kind in _VALUES or before.is_op(")", "]", "}"))
        may_begin = not value_before or (before is not None and before.kind == "name" and spaced and self._touches())
        if char in "\"'`":
            self._quoted(char, char, spaced, kind="shell" if char == "`" else "str")
        elif may_begin and (found := _PERCENT.match(self.source, self.at)):
            self._percent(found, spaced)
        elif may_begin and (found := _HEREDOC.match(self.source, self.at)):
            self.heredocs.append((len(self.found), found[3], bool(found[1]), found[2] == "'"))
            self._add("str", "", spaced)
            self.at = found.end()
        elif may_begin and char == "/":
            self._quoted("/", "/", spaced, kind="regex")
        elif char == ":" and self.source[self.at : self.at + 2] == ':"':
            self.at += 1
            self._quoted('"', '"', spaced, kind="sym")
        elif found := _SIMPLE_SYMBOL.match(self.source, self.at):
            self._plain("sym", found[1], found.end(), spaced)
        else:
            self._word(char, spaced)

    def _touches(self) -> bool:
        """Whether the next character but one is no space: `puts /x/`, but not `a / b`."""
        return not self.source[self.at + 1 : self.at + 2].isspace()

    def _plain(self, kind: str, text: str, end: int, spaced: bool) -> None:
        self._add(kind, text, spaced)
        self.at = end

    def _word(self, char: str, spaced: bool) -> None:
        if char in "@$" and (found := re.compile(r"[@$]+\w*").match(self.source, self.at)):
            return self._plain("ivar", found[0], found.end(), spaced)
        if found := _NUMBER.match(self.source, self.at):
            return self._plain("num", found[0].replace("_", ""), found.end(), spaced)
        if found := _NAME.match(self.source, self.at):
            after = self.source[found.end() : found.end() + 2]
            if after[:1] == ":" and after != "::" and not (self.found and self.found[-1].is_op("?")):
                return self._plain("label", found[0], found.end() + 1, spaced)
            kind = "const" if found[0][0].isupper() else "name"
            return self._plain(kind, found[0], found.end(), spaced)
        found = _OPERATOR.match(self.source, self.at)
        assert found
        return self._plain("op", found[0], found.end(), spaced)

    def _percent(self, found: re.Match[str], spaced: bool) -> None:
        letter, opening = found[1], found[2]
        self.at = found.end() - 1
        if letter in ("w", "W", "i", "I"):
            line = self.line
            text = self._until(_CLOSING.get(opening, opening), opening)
            self._add("words", letter, spaced, text.split(), line)
        else:
            kind = {"x": "shell", "r": "regex"}.get(letter, "str")
            self._quoted(opening, _CLOSING.get(opening, opening), spaced, kind=kind, literal=letter == "q")

    def _quoted(self, opening: str, closing: str, spaced: bool, *, kind: str, literal: bool = False) -> None:
        line = self.line
        text = self._until(closing, opening)
        if kind == "regex":
            self.at += len(re.compile(r"[a-z]*").match(self.source, self.at)[0])  # type: ignore[index]
        plain = literal or opening == "'"
        parts = (re.sub(r"\\(['\\])", r"\1", text),) if plain else _parts(text, line)
        label = kind == "str" and re.compile(r":(?!:)").match(self.source, self.at)
        if label and self.found and self.found[-1].is_op("{", ",", "("):
            self.at += 1
            kind = "label"
        self._add(kind, "".join(part for part in parts if isinstance(part, str)), spaced, parts, line)

    def _until(self, closing: str, opening: str) -> str:
        """The text up to the closing character; brackets of its kind and `#{…}` may stand in it."""
        start, begun, depth = self.at + 1, self.line, 0
        at = start
        while at < len(self.source):
            char = self.source[at]
            if char == "\\":
                at += 2
                continue
            if opening not in "'/" and self.source.startswith("#{", at):
                at = _end_of_inner(self.source, at)
                continue
            if char == closing and depth == 0:
                text = self.source[start:at]
                self._advance(at + 1)
                return text
            depth += (char == opening) - (char == closing) if opening != closing else 0
            at += 1
        raise self._fail(f"the text that begins with {opening} has no end", begun)


def _end_of_inner(source: str, at: int) -> int:
    """Behind the brace that closes `#{` at `at`; braces in texts within it count too, as they come in pairs."""
    depth, at = 1, at + 2
    while at < len(source) and depth:
        depth += {"{": 1, "}": -1}.get(source[at], 0)
        at += 1
    return at


def _parts(text: str, line: int) -> tuple[Part, ...]:
    """A text in double quotes: its escapes resolved, and what stands in `#{…}` apart."""
    parts: list[Part] = []
    plain, at = "", 0
    while at < len(text):
        if text[at] == "\\" and at + 1 < len(text):
            plain += "" if text[at + 1] == "\n" else _ESCAPES.get(text[at + 1], text[at + 1])
            at += 2
        elif text.startswith("#{", at):
            end = _end_of_inner(text, at)
            parts += [plain, Inner(text[at + 2 : end - 1], line + text.count("\n", 0, at))]
            plain, at = "", end
        else:
            plain += text[at]
            at += 1
    return tuple(part for part in [*parts, plain] if part != "")
