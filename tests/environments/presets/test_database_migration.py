from environments.phases import Phase
from environments.presets import PRESETS
from tests.environments.presets.conftest import Bench


def test_it_runs_once_and_is_not_repeated_unless_told() -> None:
    preset = PRESETS["database-migration"]
    assert (preset.phases, preset.usual.repeatable) == ((Phase.ONCE,), False)


def test_only_the_way_up_is_run(bench: Bench) -> None:
    said = bench.run("database-migration", command="echo up", down_command="echo down")
    assert said == "up\n"
