"""deployer.yml: its schema, what is refused and where, and how it is laid over a target."""

import json
from pathlib import Path
from typing import Any

import pytest

from deployments import lifecycle, marked_yaml, recipe_file, recipes
from deployments.marked_yaml import YamlProblem
from deployments.recipe_file import KEYS, STEP_KEYS, RecipeFile, RecipeFileError, parse_file
from environments import repositories
from environments.models import Target
from tests.builders import commit, make_application, make_repository, make_step, make_target, make_user
from tests.deployments.ended import counts, end

EXAMPLE = (Path(__file__).parents[2] / "docs/deployer.yml").read_text()


def test_the_example_is_valid_and_is_the_schema() -> None:
    parsed = parse_file(EXAMPLE)
    top = marked_yaml.parse(EXAMPLE).plain()
    assert set(top) == set(KEYS)
    assert {key for step in top["steps"] for key in step} == set(STEP_KEYS)
    assert [step.name for step in parsed.steps] == ["install", "migrate", "reload", "warm"]
    assert (parsed.keep, parsed.linked_dirs) == (5, ("log", "public/uploads"))


def test_what_is_left_out_is_as_the_preset_has_it() -> None:
    (migrate, plain) = parse_file(
        "roles: [web]\nsteps:\n"
        "  - {name: migrate, preset: database-migration, parameters: {command: up}, roles: [db], time_limit: 100}\n"
        "  - {name: build, command: make}\n"
    ).steps
    assert (migrate.phase, migrate.repeatable, migrate.time_limit, migrate.silence_limit) == ("once", False, 100, 100)
    assert (migrate.roles, plain.roles) == (("db",), ("web",))
    assert (plain.preset, plain.phase, plain.time_limit, plain.origin) == ("command", "prepare", 600, "deployer.yml")


@pytest.mark.parametrize("text", ["", "# nothing\n", "steps:\n", "steps: []\nkeep: null\n"])
def test_a_file_may_say_nothing(text: str) -> None:
    assert parse_file(text) == RecipeFile()


@pytest.mark.parametrize(
    ("text", "line", "column", "says"),
    [
        ("- a\n", 1, 1, "Here must stand keys"),
        ("keep: 5\nstpes: []\n", 2, 1, "did you mean 'steps'"),
        ("keep: 1\n", 1, 7, "a number from 2 to 100"),
        ("keep: true\n", 1, 7, "a number from 2 to 100"),
        ("linked_dirs: log\n", 1, 14, "must be a list"),
        ("linked_dirs: [log, ../etc]\n", 1, 20, "without `..`"),
        ("linked_files: [5]\n", 1, 16, "put it in quotes"),
        ("roles: [Web]\n", 1, 9, "lower-case"),
        ("steps:\n  - command: x\n", 2, 5, "A step needs a name"),
        ("steps:\n  - name: a\n    comand: x\n", 3, 5, "did you mean 'command'"),
        ("steps:\n  - name: a\n    command: x\n  - command: y\n    name: a\n", 5, 11, "a step named 'a' already"),
        ("steps:\n  - name: a\n    preset: restart-systmd\n", 3, 13, "did you mean 'restart-systemd'"),
        ("steps:\n  - name: a\n    command: [x]\n", 3, 14, "must be a text"),
        ("steps:\n  - name: a\n    command: x\n    phase: befor\n", 4, 12, "The phases are"),
        (
            "steps:\n  - name: a\n    preset: lint\n    parameters: {checks: [x]}\n    phase: after\n",
            5,
            12,
            "in the phase",
        ),
        ("steps:\n  - name: a\n    preset: lint\n    parameters:\n      checks: {}\n", 5, 15, "checks: "),
        ("steps:\n  - name: a\n    preset: lint\n    parameters:\n      check: [x]\n", 5, 14, "did you mean 'checks'"),
        ("steps:\n  - name: a\n    preset: lint\n    parameters: [x]\n", 4, 17, "the preset's parameters"),
        ("steps:\n  - name: a\n    preset: lint\n", 2, 5, "checks: This is needed"),
        (
            "steps:\n  - name: a\n    preset: lint\n    parameters: {checks: [x]}\n    command: x\n",
            5,
            14,
            "Leave it empty",
        ),
        ("steps:\n  - name: a\n", 2, 5, "command: "),
        ("steps:\n  - name: a\n    command: x\n    sudo: 'yes'\n", 4, 11, "true or false"),
        ("steps:\n  - name: a\n    command: x\n    time_limit: 0\n", 4, 17, "a number from 1"),
        ("steps:\n  - name: a\n    command: x\n    time_limit: 5\n    silence_limit: 6\n", 5, 20, "from 1 to 5"),
        ("steps: [" + "{name: a, command: x}," * 101 + "]\n", 1, 8, "at most 100"),
    ],
)
def test_a_mistake_is_told_with_its_place(text: str, line: int, column: int, says: str) -> None:
    with pytest.raises(YamlProblem) as told:
        parse_file(text)
    assert says in told.value.text
    assert (told.value.line, told.value.column) == (line, column)


@pytest.mark.parametrize(
    "key", ["root", "user", "hosts", "shell", "needed", "environment", "application", "permissions", "umask", "command"]
)
def test_what_the_dashboard_fixes_is_refused(key: str) -> None:
    with pytest.raises(YamlProblem, match="is set in the dashboard: a file cannot say who deploys") as told:
        parse_file(f"keep: 5\n{key}: x\n")
    assert (told.value.line, told.value.column) == (2, 1)


def steps_of(recipe: dict[str, Any]) -> list[tuple[str, str]]:
    return [(step["name"], step["command"]) for step in recipe["steps"]]


@pytest.mark.django_db
@pytest.mark.both_databases
def test_it_is_laid_over_the_target() -> None:
    target = make_target(linked_dirs=["log"], linked_files=["a"], keep=7, root="/srv/shop")
    for position, name in enumerate(["build", "restart"]):
        make_step(target=target, name=name, command=f"ours {name}", position=position)
    file = parse_file(
        "linked_dirs: [tmp, log]\nkeep: 3\nsteps:\n"
        "  - {name: warm, command: theirs warm}\n  - {name: build, command: theirs build}\n"
    )
    recipe = recipes.snapshot(target, file)
    assert steps_of(recipe) == [("build", "theirs build"), ("restart", "ours restart"), ("warm", "theirs warm")]
    found = (recipe["linked_dirs"], recipe["linked_files"], recipe["keep"], recipe["root"])
    assert found == (["log", "tmp"], ["a"], 3, "/srv/shop")
    assert RecipeFile.of_facts(json.loads(json.dumps(recipe))["file"]) == file
    assert recipes.snapshot(target)["keep"] == 7
    assert recipes.snapshot(target)["file"] is None


@pytest.fixture
def target(tmp_path: Path, settings: Any) -> Target:
    settings.REPOSITORY_ROOTS, settings.VAR = [tmp_path], tmp_path / "var"
    make_repository(tmp_path / "shop")
    return make_target(application=make_application(repository=tmp_path / "shop"), hosts=2)


@pytest.mark.django_db
class TestRead:
    def read(self, target: Target, revision: str) -> RecipeFile | None:
        repositories.fetch(target.application)
        return recipe_file.read(target.application, revision)

    def test_it_is_read_at_the_revision(self, target: Target, tmp_path: Path) -> None:
        (tmp_path / "shop/deep").mkdir()
        none = commit(tmp_path / "shop", {"deep/deployer.yml": "keep: 9\n"})
        first = commit(tmp_path / "shop", {"deployer.yml": "keep: 3\n"})
        second = commit(tmp_path / "shop", {"deployer.yml": "\ufeffkeep: 4\n"})
        found = [self.read(target, revision) for revision in (none, first, second)]
        assert [file.keep if file else None for file in found] == [None, 3, 4]

    @pytest.mark.parametrize(
        ("content", "says"),
        [
            (b"keep: 5\n#" + b"x" * 65_536, "has 65,545 bytes; at most 65,536 are read"),
            (b"keep: x\n", r"deployer.yml at [0-9a-f]{7}, line 1, column 7: This must be a number from 2 to"),
            (b"keep: 5\n# \xff\n", "line 2, column 3: This is not UTF-8"),
        ],
    )
    def test_what_cannot_be_read_is_told(self, target: Target, tmp_path: Path, content: bytes, says: str) -> None:
        (tmp_path / "shop/deployer.yml").write_bytes(content)
        revision = commit(tmp_path / "shop", {"README": "x"})
        with pytest.raises(repositories.RepositoryError, match=says):
            self.read(target, revision)

    def test_a_link_is_not_followed(self, target: Target, tmp_path: Path) -> None:
        (tmp_path / "shop/deployer.yml").symlink_to("/etc/passwd")
        revision = commit(tmp_path / "shop", {"README": "x"})
        with pytest.raises(repositories.RepositoryError, match="is no plain file"):
            self.read(target, revision)


@pytest.mark.django_db
@pytest.mark.both_databases
class TestDeploys:
    """What each verb takes the file from: the revision, or the deploy that laid the release out."""

    def test_the_file_of_the_revision_is_what_counts(self, target: Target, tmp_path: Path) -> None:
        commit(tmp_path / "shop", {"deployer.yml": "steps: [{name: build, command: first}]\n"})
        by = make_user()
        first = lifecycle.request_deploy(target=target, ref="main", by=by)
        assert steps_of(first.recipe) == [("build", "first")]
        end(first, "partial", live=1)
        commit(tmp_path / "shop", {"deployer.yml": "steps: [{name: build, command: second}]\n"})
        make_step(target=target, name="restart", command="now")
        again = end(lifecycle.retry(first, by=by), live=2)
        assert steps_of(again.recipe) == [("restart", "now"), ("build", "first")]
        second = end(lifecycle.request_deploy(target=target, ref="main", by=by))
        assert steps_of(second.recipe) == [("restart", "now"), ("build", "second")]
        back = lifecycle.roll_back(target, to=again, by=by)
        assert steps_of(back.recipe) == [("restart", "now"), ("build", "first")]

    def test_a_mistake_in_it_changes_nothing(self, target: Target, tmp_path: Path) -> None:
        commit(tmp_path / "shop", {"deployer.yml": "steps: [{name: build}]\n"})
        before = counts()
        with pytest.raises(RecipeFileError, match="line 1, column 9: command: "):
            lifecycle.request_deploy(target=target, ref="main", by=make_user())
        assert counts() == before
