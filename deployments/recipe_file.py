"""deployer.yml: what an application's repository says of its own deploys, read at the revision that is deployed.

`docs/deployer.yml` is its schema: every key that is taken stands there, and no other.

RecipeFileError    it cannot be used; where and why
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Self

from deployments import marked_values
from deployments.marked_yaml import Node, YamlProblem, parse
from deployments.plain_steps import StepFacts
from environments import presets, repositories, revision_file
from environments.models import Application, Phase, Target

NAME = "deployer.yml"
BYTES_MOST = 64 * 1024
STEPS_MOST = 100
SECONDS_MOST = 86_400
KEYS = ("keep", "linked_dirs", "linked_files", "roles", "steps")
STEP_KEYS = tuple(name for name in StepFacts.__dataclass_fields__ if name != "origin")
_FIXED = {field.name for field in Target._meta.get_fields()} | {"hosts", "servers", "users", "branch", "permissions"}


class RecipeFileError(repositories.RepositoryError):
    """`line` and `column` count from 1."""

    def __init__(self, revision: str, line: int, column: int, text: str) -> None:
        self.line, self.column = line, column
        super().__init__(
            f"{NAME} at {revision[:7]}, line {line}, column {column}: {text} "
            "Correct it in the repository; nothing was changed."
        )


@dataclass(frozen=True)
class RecipeFile:
    """What the file says; empty where it says nothing."""

    steps: tuple[StepFacts, ...] = ()
    linked_dirs: tuple[str, ...] = ()
    linked_files: tuple[str, ...] = ()
    keep: int | None = None

    def facts(self) -> dict[str, Any]:
        """Plain values, for a recipe to keep."""
        return asdict(self)

    @classmethod
    def of_facts(cls, facts: Mapping[str, Any]) -> Self:
        steps = tuple(StepFacts(**step | {"roles": tuple(step["roles"])}) for step in facts["steps"])
        return cls(steps, tuple(facts["linked_dirs"]), tuple(facts["linked_files"]), facts["keep"])

    def laid_over(self, steps: Sequence[StepFacts]) -> list[StepFacts]:
        """Steps of the same name take the place of the target's; the others come after them."""
        own = {step.name: step for step in self.steps}
        replaced = [own.pop(step.name, step) for step in steps]
        return [*replaced, *own.values()]


def read(application: Application, revision: str) -> RecipeFile | None:
    """The file at `revision` (40 hex digits), from the cached mirror; None: there is none. Raises RepositoryError."""
    content = revision_file.read(application, revision, NAME, most=BYTES_MOST)
    if content is None:
        return None
    try:
        return parse_file(content.decode())
    except UnicodeDecodeError as error:
        before = content[: error.start]
        line, column = before.count(b"\n") + 1, error.start - (before.rfind(b"\n") + 1) + 1
        raise RecipeFileError(revision, line, column, "This is not UTF-8.") from None
    except YamlProblem as error:
        raise RecipeFileError(revision, error.line, error.column, error.text) from None


def parse_file(text: str) -> RecipeFile:
    """Raises YamlProblem."""
    top = parse(text.removeprefix("\ufeff"))
    if top.value is None:
        return RecipeFile()
    found = _mapping(top, KEYS)
    roles = marked_values.names(found.get("roles"))
    return RecipeFile(
        steps=_steps(found.get("steps"), roles),
        linked_dirs=marked_values.paths(found.get("linked_dirs")),
        linked_files=marked_values.paths(found.get("linked_files")),
        keep=marked_values.number(found.get("keep"), 2, 100, None),
    )


def _mapping(node: Node, known: tuple[str, ...]) -> dict[str, Node]:
    if not isinstance(node.value, dict):
        raise node.problem(f"Here must stand keys with values; known are: {', '.join(known)}.")
    for key, at in node.keys.items():
        if key not in known and key in _FIXED:
            raise at.problem(
                f"{key!r} is set in the dashboard: a file cannot say who deploys, to which hosts, where and as whom."
            )
        wrong = presets.unknown(key, known)
        if wrong:
            raise at.problem(wrong)
    return {key: value for key, value in node.value.items() if value.value is not None}


def _steps(node: Node | None, roles: tuple[str, ...]) -> tuple[StepFacts, ...]:
    items = marked_values.items(node)
    if node is not None and len(items) > STEPS_MOST:
        raise node.problem(f"There are {len(items)} steps; at most {STEPS_MOST} are taken.")
    made: dict[str, StepFacts] = {}
    for item in items:
        step = _step(item, roles)
        if step.name in made:
            raise item.value["name"].problem(f"There is a step named {step.name!r} already.")
        made[step.name] = step
    return tuple(made.values())


def _step(node: Node, roles: tuple[str, ...]) -> StepFacts:
    found = _mapping(node, STEP_KEYS)
    if "name" not in found:
        raise node.problem("A step needs a name.")
    (name,) = marked_values.names(Node(found["name"].line, found["name"].column, [found["name"]]))
    word = marked_values.text(found.get("preset"), "command")
    try:
        usual = presets.find(word).usual
    except presets.UnknownPreset as error:
        raise found["preset"].problem(str(error)) from None
    limit = marked_values.number(found.get("time_limit"), 1, SECONDS_MOST, usual.time_limit)
    step = StepFacts(
        name=name,
        preset=word,
        parameters=_parameters(found.get("parameters")),
        command=marked_values.text(found.get("command"), ""),
        phase=_phase(found.get("phase"), usual.phase),
        roles=marked_values.names(found["roles"]) if "roles" in found else roles,
        time_limit=limit,
        silence_limit=marked_values.number(found.get("silence_limit"), 1, limit, min(usual.silence_limit, limit)),
        sudo=marked_values.truth(found.get("sudo"), usual.sudo),
        repeatable=marked_values.truth(found.get("repeatable"), usual.repeatable),
        origin=NAME,
    )
    _check(node, found, step)
    return step


def _phase(node: Node | None, usual: Phase) -> str:
    phase = marked_values.text(node, usual.value)
    if node is not None and phase not in Phase.values:
        raise node.problem(f"The phases are {', '.join(Phase.values)}.")
    return phase


def _parameters(node: Node | None) -> dict[str, Any]:
    if node is None:
        return {}
    if not isinstance(node.value, dict):
        raise node.problem("Here must stand the preset's parameters with their values.")
    plain: dict[str, Any] = node.plain()
    return plain


def _check(node: Node, found: Mapping[str, Node], step: StepFacts) -> None:
    """Whether the preset takes all that; raises YamlProblem at the value, or else the step, that is wrong."""
    try:
        presets.make(step.preset, step.parameters, step.command, step.phase)
    except presets.WrongParameters as error:
        name, text = next(iter(error.problems.items()))
        parameters = found.get("parameters")
        inner = parameters.value.get(name) if parameters else None
        wrong = inner or (found.get(name) if name in ("command", "parameters") else None) or parameters or node
        raise wrong.problem(f"{name}: {text}") from None
    except presets.WrongPhase as error:
        raise found.get("phase", node).problem(str(error)) from None
