"""What a configuration's settings come to, without executing it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Any

from deployments.capistrano.refusals import CannotRead
from deployments.capistrano.ruby import read_value
from deployments.capistrano.ruby_values import Block, Call, Constant, Either, Sum, Symbol, Text, Unknown

MOST_DEEP = 50
DEFAULTS: Mapping[str, Any] = {"branch": "master", "keep_releases": 5}
_PATHS = {"deploy_to": "", "deploy_path": "", "shared_path": "shared", "releases_path": "releases"}
_PLAIN = {"to_s", "to_sym", "to_i", "freeze", "dup", "strip", "chomp", "shellescape", "to_a", "flatten", "compact"}


class NotStatic(Exception):
    """It depends on something that only a run would tell; `str()` is what is written there."""


@dataclass(frozen=True)
class Setting:
    """A value as it is written, and `file:line`."""

    value: Any
    at: str


@dataclass
class Settings:
    """The variables of one stage. `assumed` are sentences about values that a run may change."""

    stage: str
    variables: dict[str, Setting] = field(default_factory=dict)
    fixed: Mapping[str, str] = field(default_factory=dict)
    assumed: list[str] = field(default_factory=list)
    names: dict[str, Any] = field(default_factory=dict)
    _deep: int = 0

    def has(self, name: str) -> bool:
        return name in self.fixed or name in self.variables

    def at(self, name: str) -> str:
        return self.variables[name].at if name in self.variables else ""

    def fetch(self, name: str, default: Any = None) -> Any:
        """Raises NotStatic."""
        if name in self.fixed:
            return self.fixed[name]
        if name == "stage":
            return Symbol(self.stage)
        if name in self.variables:
            return self.of(self.variables[name].value)
        return self.of(default) if default is not None else DEFAULTS.get(name)

    def of(self, value: Any) -> Any:
        """The plain value: texts, numbers, truths, lists, dicts. Raises NotStatic."""
        self._deep += 1
        try:
            if self._deep > MOST_DEEP:
                raise NotStatic("settings that refer to each other")
            return self._of(value)
        finally:
            self._deep -= 1

    def _of(self, value: Any) -> Any:
        if isinstance(value, list):
            return [self.of(item) for item in value]
        if isinstance(value, dict):
            return {key: self.of(item) for key, item in value.items()}
        if isinstance(value, Text):
            return "".join(
                part if isinstance(part, str) else self._inner(part.source, part.line) for part in value.parts
            )
        if isinstance(value, Block):
            return self._last(value)
        if isinstance(value, Either):
            return self._either(value)
        if isinstance(value, Sum):
            return self._sum(self.of(value.one), self.of(value.two))
        if isinstance(value, Call):
            return self._call(value)
        if isinstance(value, Constant | Unknown):
            raise NotStatic(value.name if isinstance(value, Constant) else value.source)
        return value

    def _inner(self, source: str, line: int) -> str:
        try:
            return str(self.of(read_value(source, "", line)))
        except CannotRead as error:
            raise NotStatic(source) from error

    def _last(self, block: Block) -> Any:
        for statement in block.body:
            if statement.kind == "assign" and not statement.condition:
                self.names[statement.name] = statement.value
        if not block.body or block.body[-1].condition or block.body[-1].kind not in ("call", "other"):
            raise NotStatic(block.body[-1].source if block.body else "an empty block")
        return self.of(block.body[-1].value)

    def _either(self, value: Either) -> Any:
        variable = _environment(value.one)
        if variable:
            return self._assume(variable, self.of(value.two))
        return self.of(value.one) or self.of(value.two)

    def _assume(self, variable: str, taken: Any) -> Any:
        text = f"The environment variable {variable} can change it when Capistrano runs; here it is {taken!r}."
        if text not in self.assumed:
            self.assumed.append(text)
        return taken

    def _sum(self, one: Any, two: Any) -> Any:
        if isinstance(one, str) and isinstance(two, str):
            return one + two
        if isinstance(one, list) and isinstance(two, list):
            return one + two
        raise NotStatic("a sum")

    def _call(self, call: Call) -> Any:
        if call.receiver is None:
            return self._plain_call(call)
        if call.name == "fetch" and _is_environment(call.receiver) and len(call.args) == 2:
            return self._assume(str(call.args[0]), self.of(call.args[1]))
        if call.name == "join" and isinstance(call.receiver, Constant) and call.receiver.name == "File":
            return str(PurePosixPath(*(str(self.of(arg)) for arg in call.args)))
        on = self.of(call.receiver)
        if call.name in _PLAIN and not call.args:
            return on.strip() if isinstance(on, str) and call.name in ("strip", "chomp") else on
        if call.name in ("downcase", "upcase") and isinstance(on, str):
            return on.lower() if call.name == "downcase" else on.upper()
        if call.name in ("push", "concat", "+") and isinstance(on, list):
            return [*on, *self._flat(call.args)]
        if call.name in ("join", "+") and isinstance(on, str):
            return str(PurePosixPath(on, *(str(self.of(arg)) for arg in call.args)))
        if call.name == "call" and isinstance(call.receiver, Block):
            return on
        raise NotStatic(f"….{call.name}")

    def _flat(self, args: tuple[Any, ...]) -> list[Any]:
        return [item for arg in map(self.of, args) for item in (arg if isinstance(arg, list) else [arg])]

    def _plain_call(self, call: Call) -> Any:
        if call.name == "fetch" and call.args:
            name = str(self.of(call.args[0]))
            default = call.args[1] if len(call.args) > 1 else call.block
            if not self.has(name) and default is None and name not in DEFAULTS and name != "stage":
                raise NotStatic(f"fetch(:{name}), which is not set")
            return self.fetch(name, default)
        if call.name in self.names and not call.args:
            return self.of(self.names[call.name])
        if call.name in _PATHS and not call.args:
            return str(PurePosixPath(str(self.root()), _PATHS[call.name]))
        raise NotStatic(call.name)

    def root(self) -> Any:
        """`deploy_to`. Raises NotStatic."""
        return self.fetch("deploy_to") if self.has("deploy_to") else f"/var/www/{self.fetch('application')}"


def _is_environment(value: Any) -> bool:
    return isinstance(value, Constant) and value.name == "ENV"


def _environment(value: Any) -> str:
    """The variable's name, if this is `ENV["X"]` or `ENV.fetch("X", nil)`."""
    if isinstance(value, Call) and value.name in ("[]", "fetch") and _is_environment(value.receiver) and value.args:
        return str(value.args[0])
    return ""
