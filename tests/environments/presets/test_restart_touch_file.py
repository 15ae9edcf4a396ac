import os

from tests.environments.presets.conftest import Bench


def test_the_file_is_touched_in_the_release(bench: Bench) -> None:
    bench.run("restart-touch-file")
    path = bench.release / "tmp/restart.txt"
    os.utime(path, (1, 1))
    path.write_text("kept")
    bench.run("restart-touch-file")
    assert path.stat().st_mtime > 1
    assert path.read_text() == "kept"


def test_it_may_lie_elsewhere(bench: Bench) -> None:
    bench.run("restart-touch-file", file=str(bench.folder / "run/reload"))
    assert (bench.folder / "run/reload").exists()


def test_one_that_cannot_be_touched_is_told(bench: Bench) -> None:
    bench.write("tmp", "a file")
    assert "cannot be touched" in bench.fail("restart-touch-file")
