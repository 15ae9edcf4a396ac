import pytest

from environments.presets import PRESETS, WrongParameters
from tests.environments.presets.conftest import Bench, Web


def test_cachetool_empties_both_caches(bench: Bench) -> None:
    bench.record("cachetool")
    bench.run("php-opcache-reset", fcgi="/run/php/fpm.sock")
    to = "--fcgi=/run/php/fpm.sock"
    assert bench.recorded("cachetool") == [["opcache:reset", to], ["stat:clear", to]]
    with pytest.raises(WrongParameters, match="where PHP-FPM listens"):
        PRESETS["php-opcache-reset"].make({"method": "cachetool"})


def test_a_script_is_asked_for_once_and_removed(bench: Bench, web: Web) -> None:
    folder = bench.release / "public"
    folder.mkdir()

    def php(path: str) -> int:
        text = (folder / path[1:]).read_text()
        return 204 if text.startswith("<?php ") and "opcache_reset()" in text else 200

    web.on_request = php
    bench.run("php-opcache-reset", method="script", port=web.port)
    bench.run("php-opcache-reset", method="script", port=web.port)
    (first, _), (second, _) = web.asked
    assert first != second
    assert len(first) == len("/refresh-.php") + 32
    assert list(folder.iterdir()) == []


def test_a_server_that_gives_the_script_out_as_text_is_told(bench: Bench, web: Web) -> None:
    (bench.release / "public").mkdir()
    web.on_request = lambda path: 200
    assert "answered 200, not 204" in bench.fail("php-opcache-reset", method="script", port=web.port)
    assert list((bench.release / "public").iterdir()) == []
