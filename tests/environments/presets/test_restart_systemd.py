"""Against a recorder: systemd is the first process of a machine or nothing, so that tests cannot run one."""

from environments.presets import PRESETS
from tests.environments.presets.conftest import Bench


def test_units_are_restarted_and_looked_at(bench: Bench) -> None:
    bench.record("systemctl", says="active")
    said = bench.run("restart-systemd", units=["web.service", "jobs@1.service"], settle=1)
    assert "web.service is active\njobs@1.service is active\n" in said
    assert bench.recorded("systemctl") == [
        ["restart", "web.service", "jobs@1.service"],
        ["--system", "is-active", "web.service"],
        ["--system", "is-active", "jobs@1.service"],
    ]


def test_one_that_died_again_is_a_failure(bench: Bench) -> None:
    bench.record("systemctl", says="failed")
    assert "web.service is failed" in bench.fail("restart-systemd", units="web.service", settle=1)


def test_the_restart_alone_is_done_by_sudo_and_in_plain_words() -> None:
    act, look = PRESETS["restart-systemd"].make({"units": ["web.service"]}).commands()
    assert (act.text, act.sudo, look.sudo) == ("systemctl restart web.service", True, False)
    assert len(PRESETS["restart-systemd"].make({"units": ["web.service"], "settle": 0}).commands()) == 1


def test_the_users_own_systemd_is_found(bench: Bench) -> None:
    bench.record("systemctl", says="active")
    bench.run("restart-systemd", units="web.service", scope="user", settle=1)
    assert bench.recorded("systemctl")[0] == ["--user", "restart", "web.service"]
