from tests.environments.presets.conftest import Bench


def test_programs_are_restarted_and_asked_for(bench: Bench) -> None:
    bench.write("a:b", "a file that a star would find")
    bench.record("supervisorctl")
    bench.run("restart-supervisor", programs=["shop:*", "mail"], configuration="/etc/supervisor.conf")
    to = ["-c", "/etc/supervisor.conf"]
    assert bench.recorded("supervisorctl") == [
        [*to, "restart", "shop:*", "mail"],
        [*to, "status", "shop:*", "mail"],
    ]


def test_an_update_names_groups(bench: Bench) -> None:
    bench.record("supervisorctl")
    bench.run("restart-supervisor", programs=["shop:*"], action="update")
    assert bench.recorded("supervisorctl") == [["update", "shop"], ["status", "shop:*"]]


def test_its_failure_is_ours(bench: Bench) -> None:
    bench.record("supervisorctl", code=3, says="shop:web FATAL")
    assert bench.fail("restart-supervisor", programs="shop:*") == "shop:web FATAL"
