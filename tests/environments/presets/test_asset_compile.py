from tests.environments.presets.conftest import Bench


def test_it_installs_and_compiles(bench: Bench) -> None:
    bench.run(
        "asset-compile", install="echo 1 >tool # a comment", command="mkdir out; cp tool out/app.js", output="out"
    )
    assert (bench.release / "out/app.js").read_text() == "1\n"


def test_a_failure_of_either_ends_it(bench: Bench) -> None:
    assert "no tool" in bench.fail("asset-compile", install="echo no tool; false", command="touch compiled")
    assert not (bench.release / "compiled").exists()
    bench.fail("asset-compile", command="false", output="out")


def test_nothing_that_came_out_is_a_failure(bench: Bench) -> None:
    assert "out is empty or not there" in bench.fail("asset-compile", command="mkdir out", output="out")
    assert "out is empty or not there" in bench.fail("asset-compile", command="rmdir out", output="out")
