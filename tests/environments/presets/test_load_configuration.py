from environments.presets import PRESETS
from tests.environments.presets.conftest import Bench

ENV = "COLOUR=blue\nSPACED='a b'\n# a comment\n"


def test_the_file_is_put_into_the_release_for_its_owner(bench: Bench) -> None:
    (bench.shared / "production.env").write_text(ENV)
    bench.write("config/.env", "from the repository")
    bench.run("load-configuration", file="production.env", to="config/.env")
    path = bench.release / "config/.env"
    assert path.read_text() == ENV
    assert path.stat().st_mode & 0o777 == 0o600


def test_later_steps_get_its_variables(bench: Bench) -> None:
    (bench.shared / "production.env").write_text(ENV)
    preset = PRESETS["load-configuration"].make({"file": "production.env"})
    done = bench.sh(f"{preset.prelude()}sh -c 'echo \"$COLOUR $SPACED\"'")
    assert (done.returncode, done.stdout) == (0, "blue a b\n")
    (bench.shared / "production.env").unlink()
    assert bench.sh(f"{preset.prelude()}echo on").stdout == "on\n", "as on a host that the step leaves out"
    assert PRESETS["load-configuration"].make({"export": False, "to": ".env"}).prelude() == ""


def test_a_file_that_is_not_there_or_cannot_be_loaded_is_told(bench: Bench) -> None:
    assert ".env is not there, or cannot be read" in bench.fail("load-configuration")
    (bench.shared / ".env").write_text("COLOUR='blue\n")
    bench.fail("load-configuration")
    (bench.shared / ".env").write_text("COLOUR = blue\n")
    assert "each line must be NAME=value" in bench.fail("load-configuration")


def test_what_it_holds_is_not_in_the_log(bench: Bench) -> None:
    (bench.shared / ".env").write_text("echo canary\nTOKEN=canary\n")
    assert "canary" not in bench.run("load-configuration", to=".env")
