from environments.presets import PRESETS
from tests.environments.presets.conftest import Bench


def test_php_fpm_is_reloaded(bench: Bench) -> None:
    bench.record("systemctl")
    bench.run("php-realpath-refresh", service="php8.3-fpm")
    assert bench.recorded("systemctl") == [["reload", "php8.3-fpm"]]
    assert PRESETS["php-realpath-refresh"].usual.sudo
