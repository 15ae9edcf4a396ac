import os
import re
import socket
import struct
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from environments.presets import PRESETS, WrongParameters
from tests.conftest import Wait
from tests.environments.presets.conftest import Bench, MakeBench, Web

POOL = """
[global]
error_log = {folder}/log
daemonize = no
[www]
listen = {folder}/s
pm = static
pm.max_children = 1
php_admin_value[opcache.enable] = 1
php_admin_value[opcache.file_update_protection] = 0
php_admin_value[realpath_cache_ttl] = 3600
"""
FPM = next((path for path in map(str, sorted(Path("/usr/sbin").glob("php-fpm*")))), "php-fpm")


@contextmanager
def fpm(folder: Path) -> Iterator[Path]:
    """The real PHP-FPM with one worker; the path of its socket."""
    folder.mkdir()
    (folder / "conf").write_text(POOL.format(folder=folder))
    process = subprocess.Popen([FPM, "--allow-to-run-as-root", "-y", folder / "conf"])
    try:
        yield folder / "s"
    finally:
        process.terminate()
        process.wait(30)


def answers(socket_path: Path) -> bool:
    with socket.socket(socket.AF_UNIX) as link:
        return link.connect_ex(str(socket_path)) == 0


def ask(socket_path: Path, script: str) -> tuple[int, str]:
    """Status and text of a script, by FastCGI as nginx speaks it: one request, then the end."""

    def record(kind: int, content: bytes) -> bytes:
        return struct.pack(">BBHHBB", 1, kind, 1, len(content), 0, 0) + content

    facts = {"SCRIPT_FILENAME": script, "REQUEST_METHOD": "GET", "GATEWAY_INTERFACE": "CGI/1.1"}
    pairs = b"".join(
        struct.pack(">II", len(name) | 1 << 31, len(text) | 1 << 31) + f"{name}{text}".encode()
        for name, text in facts.items()
    )
    with socket.socket(socket.AF_UNIX) as link:
        link.settimeout(30)
        link.connect(str(socket_path))
        begin = struct.pack(">HB5x", 1, 0)
        link.sendall(record(1, begin) + record(4, pairs) + record(4, b"") + record(5, b""))
        raw, said = b"".join(iter(lambda: link.recv(1 << 16), b"")), b""
    while raw:
        _, kind, _, length, padding, _ = struct.unpack(">BBHHBB", raw[:8])
        said += raw[8 : 8 + length] if kind == 6 else b""
        raw = raw[8 + length + padding :]
    head, _, body = said.partition(b"\r\n\r\n")
    status = re.search(rb"^Status: (\d+)", head, re.MULTILINE)
    return int(status[1]) if status else 200, body.decode()


def test_the_real_one_serves_the_new_release(make_bench: MakeBench, web: Web, tmp_path: Path, eventually: Wait) -> None:
    """By a script: PHP-FPM goes on with what it has cached under the path `current`, until the step has run."""
    bench = make_bench("dash")
    bench.write("public/index.php", "<?php echo 'old';")
    newer = bench.root / "releases" / "20260202000000-bbbbbbb"
    (newer / "public").mkdir(parents=True)
    (newer / "public/index.php").write_text("<?php echo 'new';")
    with fpm(tmp_path / "f") as listens:
        eventually(lambda: answers(listens))
        web.on_request = lambda path: ask(listens, f"{bench.current}/public{path}")[0]
        index = f"{bench.current}/public/index.php"
        assert ask(listens, index) == (200, "old")
        (bench.root / "next").symlink_to(newer)
        os.replace(bench.root / "next", bench.current)
        assert ask(listens, index) == (200, "old"), "without the step the trap is there"
        bench.run("php-opcache-reset", method="script", port=web.port)
        eventually(lambda: ask(listens, index) == (200, "new"))
        assert {path.name for path in bench.root.glob("releases/*/public/*")} == {"index.php"}


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
