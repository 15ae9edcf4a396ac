"""What tokens of Ruby mean as a value. Nothing is ever executed."""

from typing import Any

from deployments.capistrano.ruby_tokens import Inner, Token
from deployments.capistrano.ruby_values import Block, Call, Constant, Either, Sum, Symbol, Text, Unknown

MOST_NESTED = 60
MODIFIERS = {"if", "unless", "while", "until", "rescue"}


def text_of(tokens: list[Token]) -> str:
    """About what is written there."""
    words: list[str] = []
    for token in tokens:
        text = {"sym": f":{token.text}", "label": f"{token.text}:", "block": "{ … }"}.get(token.kind, token.text)
        if token.kind in ("str", "shell", "words"):
            inner = "".join(part if isinstance(part, str) else f"#{{{part.source}}}" for part in token.parts)
            text = f"%w[{' '.join(map(str, token.parts))}]" if token.kind == "words" else f'"{inner}"'
        words.append(f" {text}" if token.spaced and words else text)
    return "".join(words)


def value_of(tokens: list[Token]) -> Any:
    """What these tokens mean, or Unknown."""
    if not tokens:
        return None
    parser = _Value(tokens)
    try:
        found = parser.expression()
    except _NotFollowed:
        return Unknown(text_of(tokens))
    return found if parser.at == len(tokens) else Unknown(text_of(tokens))


class _NotFollowed(Exception):
    pass


class _Value:
    """One value by recursive descent over tokens without line ends."""

    def __init__(self, tokens: list[Token], depth: int = 0) -> None:
        self.tokens, self.at, self.depth = tokens, 0, depth

    def peek(self) -> Token | None:
        return self.tokens[self.at] if self.at < len(self.tokens) else None

    def takes(self, *texts: str) -> bool:
        token = self.peek()
        if token is not None and token.is_op(*texts):
            self.at += 1
            return True
        return False

    def expression(self) -> Any:
        self.depth += 1
        if self.depth > MOST_NESTED:
            raise _NotFollowed
        found = self.postfix(self.primary())
        while (token := self.peek()) is not None and token.is_op("+", "||"):
            self.at += 1
            other = self.postfix(self.primary())
            found = Sum(found, other) if token.text == "+" else Either(found, other)
        self.depth -= 1
        return found

    def primary(self) -> Any:
        token = self.peek()
        if token is None:
            raise _NotFollowed
        self.at += 1
        if token.kind in _LITERALS:
            return _LITERALS[token.kind](token)
        if token.kind == "const":
            return self.called(token.text, None) if self._has_parenthesis() else Constant(token.text)
        if token.kind == "name":
            return _WORDS[token.text] if token.text in _WORDS else self.called(token.text, None)
        if token.is_op("["):
            return self.items("]")[0]
        if token.is_op("{"):
            return self.items("}")[1]
        if token.is_op("("):
            found = self.expression()
            return found if self.takes(")") else self._fail()
        if token.is_op("->"):
            return self.arrow()
        if token.is_op("&") and (following := self.peek()) is not None and following.kind == "sym":
            self.at += 1
            return Unknown(f"&:{following.text}")
        if token.is_op("-") and (following := self.peek()) is not None and following.kind == "num":
            self.at += 1
            return -_number(following)
        return self._fail()

    def _fail(self) -> Any:
        raise _NotFollowed

    def arrow(self) -> Any:
        if self.takes("("):
            while not self.takes(")"):
                self.at += 1
                if self.at >= len(self.tokens):
                    raise _NotFollowed
        token = self.peek()
        if token is None or token.kind != "block":
            raise _NotFollowed
        self.at += 1
        return token.body

    def postfix(self, found: Any) -> Any:
        while (token := self.peek()) is not None:
            if token.is_op(".", "&.", "::"):
                self.at += 1
                name = self.peek()
                if name is None or name.kind not in ("name", "const"):
                    raise _NotFollowed
                self.at += 1
                if name.kind == "const" and not self._has_parenthesis():
                    found = Constant(f"{getattr(found, 'name', '')}::{name.text}")
                else:
                    found = self.called(name.text, found)
            elif token.is_op("[") and not token.spaced:
                self.at += 1
                found = Call("[]", tuple(self.items("]")[0]), receiver=found)
            else:
                return found
        return found

    def _has_parenthesis(self) -> bool:
        token = self.peek()
        return token is not None and token.is_op("(") and not token.spaced

    def called(self, name: str, receiver: Any) -> Any:
        """A call with its arguments: in parentheses, or up to the end, and maybe with a block."""
        args: list[Any] = []
        named: dict[str, Any] = {}
        if self._has_parenthesis():
            self.at += 1
            args, named = self.items(")")
        elif self._has_arguments():
            args, named = self.items("")
        block = self.peek()
        body = None
        # `do` belongs to the first call of the statement, a brace to the nearest
        if block is not None and block.kind == "block" and (block.text == "{" or self.depth == 1):
            self.at += 1
            body = block.body
        if name in ("lambda", "proc") and receiver is None and body is not None and not args:
            return body
        if args and isinstance(args[-1], dict) and not named:
            named = {str(key): value for key, value in args[-1].items()}
        return Call(name, tuple(args), named, receiver, body if isinstance(body, Block) else None)

    def _has_arguments(self) -> bool:
        token = self.peek()
        if token is None or not token.spaced:
            return False
        opens = token.is_op("[", "->", "(") or (token.is_op("&", "-", "::") and not self._spaced_after())
        values = token.kind in _LITERALS or token.kind in ("const", "label", "name")
        return opens or (values and not token.is_word("do", "and", "or", "then", *MODIFIERS))

    def _spaced_after(self) -> bool:
        return self.at + 1 < len(self.tokens) and self.tokens[self.at + 1].spaced

    def items(self, closing: str) -> tuple[list[Any], dict[str, Any]]:
        """Values between commas, and those with a name; up to the closing bracket, or to the end or a block."""
        values: list[Any] = []
        named: dict[str, Any] = {}
        while True:
            if closing and self.takes(closing):
                return values, named
            self.item(values, named)
            if self.takes(","):
                continue
            if not closing:
                return values, named
            if not self.takes(closing):
                raise _NotFollowed
            return values, named

    def item(self, values: list[Any], named: dict[str, Any]) -> None:
        token = self.peek()
        if token is not None and token.kind == "label":
            self.at += 1
            named[token.text] = self.whole()
            return
        self.takes("*", "**")  # a splat is a list in a list, which nobody minds here
        found = self.whole()
        if self.takes("=>"):
            named[str(found)] = self.whole()
        else:
            values.append(found)

    def whole(self) -> Any:
        """One value up to what ends it; Unknown when it is nothing that we follow."""
        start, depth = self.at, self.depth
        try:
            found = self.expression()
            if self._at_end():
                return found
        except _NotFollowed:
            pass
        self.at, self.depth = start, depth
        nested = 0
        while (token := self.peek()) is not None and (nested or not self._at_end()):
            nested += token.is_op("(", "[", "{") - token.is_op(")", "]", "}")
            self.at += 1
        if self.at == start:
            raise _NotFollowed
        return Unknown(text_of(self.tokens[start : self.at]))

    def _at_end(self) -> bool:
        token = self.peek()
        return token is None or token.is_op(",", "=>", ")", "]", "}") or token.kind == "block"


def _number(token: Token) -> int | float:
    return float(token.text) if set(token.text) & set(".eE") else int(token.text)


def _text(token: Token) -> Any:
    return Text(token.parts) if any(isinstance(part, Inner) for part in token.parts) else "".join(map(str, token.parts))


_WORDS: dict[str, Any] = {"true": True, "false": False, "nil": None}
_LITERALS: dict[str, Any] = {
    "str": _text,
    "sym": lambda token: Symbol(token.text),
    "num": _number,
    "words": lambda token: [str(part) for part in token.parts],
    "shell": lambda token: Unknown(text_of([token])),
    "regex": lambda token: Unknown("/…/"),
    "ivar": lambda token: Call(token.text),
    "branch": lambda token: Unknown(token.text),
}
