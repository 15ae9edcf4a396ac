import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.conftest import Wait
from tests.environments.presets.conftest import Bench, MakeBench

CONFIGURATION = """
[unix_http_server]
file={folder}/s
[supervisord]
logfile={folder}/log
pidfile={folder}/pid
user={user}
[rpcinterface:supervisor]
supervisor.rpcinterface_factory=supervisor.rpcinterface:make_main_rpcinterface
[supervisorctl]
serverurl=unix://{folder}/s
[program:web]
command=sh -c 'test ! -e {folder}/broken && echo $$ >>{folder}/web && exec sleep 300'
startsecs=1
startretries=0
[program:mail]
command=sh -c 'echo $$ >>{folder}/mail; exec sleep 300'
[group:shop]
programs=web
"""


@contextmanager
def supervisord(folder: Path) -> Iterator[Path]:
    """The real one, with shop:web and mail; the path of its configuration."""
    folder.mkdir()
    path = folder / "conf"
    path.write_text(CONFIGURATION.format(folder=folder, user=folder.owner()))
    process = subprocess.Popen(["supervisord", "--nodaemon", "-c", path], stdout=subprocess.DEVNULL)
    try:
        yield path
    finally:
        process.terminate()
        process.wait(30)


def test_the_real_one_restarts(make_bench: MakeBench, tmp_path: Path, eventually: Wait) -> None:
    bench = make_bench("dash")
    folder = tmp_path / "s"
    real = shutil.which("supervisorctl")
    assert real, "The Debian package supervisor is not installed."
    (bench.own / "supervisorctl").symlink_to(real)

    def begun(name: str) -> int:
        return len((folder / name).read_text().splitlines()) if (folder / name).exists() else 0

    with supervisord(folder) as configuration:
        eventually(lambda: begun("web") and begun("mail"))
        said = bench.run("restart-supervisor", programs=["shop:*"], configuration=str(configuration))
        assert "shop:web: started" in said
        assert "RUNNING" in said
        assert (begun("web"), begun("mail")) == (2, 1)
        (folder / "broken").touch()
        assert "ERROR" in bench.fail("restart-supervisor", programs=["shop:*"], configuration=str(configuration))


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
