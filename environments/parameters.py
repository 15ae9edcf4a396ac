"""What presets ask for: kinds of values. Each checks what it is given, and says in words what it takes.

WrongValue    `str()` says what the value should be
"""

import re
import shlex
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

from django.core.exceptions import ValidationError

from environments.validation import validate_absolute, validate_relative


class WrongValue(ValueError):
    """Not what the parameter takes."""


class Kind(Protocol):
    @property
    def words(self) -> str:
        """What it takes, as the end of the sentence "this must be …"."""

    def clean(self, value: object) -> Any:
        """The value as the preset uses it. Raises WrongValue."""


def _text(value: object, words: str) -> str:
    if not isinstance(value, str) or "\0" in value:
        raise WrongValue(f"This must be {words}.")
    return value


@dataclass(frozen=True)
class Shell:
    """Any text for the target's shell; it is run as it is."""

    words: str = "a shell command"

    def clean(self, value: object) -> str:
        text = _text(value, self.words).strip()
        if not text or len(text) > 10_000:
            raise WrongValue("This must be a shell command, of at most 10,000 characters.")
        return text


@dataclass(frozen=True)
class Program:
    """One program with its arguments, so that its process is the program itself and no shell around it."""

    words: str = "one program and its arguments"

    def clean(self, value: object) -> str:
        text = _text(value, self.words).strip()
        lexer = shlex.shlex(text, posix=True, punctuation_chars=True)
        lexer.commenters, lexer.whitespace_split = "", True
        try:
            words = list(lexer)
        except ValueError:
            raise WrongValue("A quotation is not closed.") from None
        if not words or "\n" in text or any(set(word) <= set("();<>|&") for word in words if word):
            raise WrongValue("This must be one program and its arguments, without `;`, `&`, `|`, `<`, `>` or `()`.")
        if "=" in words[0]:
            raise WrongValue(f"Write `env {text}`: the first word must be the program.")
        return text


@dataclass(frozen=True)
class Line:
    """One line that a pattern matches as a whole."""

    pattern: str
    words: str

    def clean(self, value: object) -> str:
        text = _text(value, self.words)
        if not re.fullmatch(self.pattern, text):
            raise WrongValue(f"This must be {self.words}.")
        return text


def _path(value: object, words: str, check: Callable[[str], None]) -> str:
    text = _text(value, words)
    try:
        check(text)
    except ValidationError as error:
        raise WrongValue(error.messages[0]) from None
    return text


@dataclass(frozen=True)
class RelativePath:
    """A path below the folder that the parameter's help names."""

    words: str = "a path without a slash at its beginning, and without `..`"

    def clean(self, value: object) -> str:
        return _path(value, self.words, validate_relative)


@dataclass(frozen=True)
class AnyPath:
    """A path anywhere on the host, or below the folder that the parameter's help names."""

    words: str = "a path, absolute or not, without `..`"

    def clean(self, value: object) -> str:
        absolute = isinstance(value, str) and value.startswith("/")
        return _path(value, self.words, validate_absolute if absolute else validate_relative)


@dataclass(frozen=True)
class Number:
    least: int
    most: int

    @property
    def words(self) -> str:
        return f"a number from {self.least} to {self.most:,}"

    def clean(self, value: object) -> int:
        # a truth is a number in Python, and "yes" as a number of seconds helps nobody
        if not isinstance(value, int) or isinstance(value, bool) or not self.least <= value <= self.most:
            raise WrongValue(f"This must be {self.words}.")
        return value


@dataclass(frozen=True)
class Truth:
    words: str = "true or false"

    def clean(self, value: object) -> bool:
        if not isinstance(value, bool):
            raise WrongValue(f"This must be {self.words}.")
        return value


@dataclass(frozen=True)
class Choice:
    choices: tuple[str, ...]

    @property
    def words(self) -> str:
        return f"one of {', '.join(self.choices)}"

    def clean(self, value: object) -> str:
        if not isinstance(value, str) or value not in self.choices:
            raise WrongValue(f"This must be {self.words}.")
        return value


@dataclass(frozen=True)
class Several:
    """A list of another kind; a single value stands for a list of one."""

    kind: Kind
    least: int = 1
    most: int = 50

    @property
    def words(self) -> str:
        return f"a list; each {self.kind.words}"

    def clean(self, value: object) -> tuple[Any, ...]:
        items = value if isinstance(value, list | tuple) else [value]
        if not self.least <= len(items) <= self.most:
            raise WrongValue(f"This must be a list of {self.least} to {self.most}.")
        return tuple(self.kind.clean(item) for item in items)
