from tests.environments.presets.conftest import Bench


def test_it_is_run_as_it_is(bench: Bench) -> None:
    assert bench.run("command", command='x=1; echo "$x $DEPLOYER_RELEASE"') == f"1 {bench.release.name}\n"
    assert bench.fail("command", command="echo no; exit 3") == "no\n"
