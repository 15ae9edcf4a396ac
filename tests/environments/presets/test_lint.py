from environments.presets import PRESETS
from tests.environments.presets.conftest import Bench


def test_each_check_is_a_step_of_its_own() -> None:
    made = PRESETS["lint"].make({"checks": ["a", "b"]})
    assert [(command.name, command.text) for command in made.commands()] == [("", "a"), ("2", "b")]


def test_one_that_fails_ends_it(bench: Bench) -> None:
    bench.write("bad.sh", "if\n")
    assert "bad.sh" in bench.fail("lint", checks=["true", "sh -n bad.sh", "touch went-on"])
    assert not (bench.release / "went-on").exists()
