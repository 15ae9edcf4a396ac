"""The build step: the revision in a clean folder of its own on a worker, one command, and the folder that it leaves.

BuildError
├── BuildFailed       it ended badly, too late, or left no output; the text has its last lines
└── BuildInterrupted  the deploy is being cancelled, or this worker ends
"""

import contextlib
import os
import secrets
import select
import shutil
import signal
import subprocess
import tarfile
import tempfile
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from deployments.spool import Lines, SpoolReader
from environments.models import Application

LISTEN_SECONDS = 0.25
TERM_SECONDS = 5.0
LINES_TOLD = 5
_BLOCK = 1 << 16
_NOT_SENT = " Nothing was sent to any host."
# Ends its own group when the worker, which holds the other end of the pipe, is gone.
_WRAPPER = """
exec 3<&0 </dev/null
ulimit -c 0
(read -r _ <&3; trap '' TERM; kill -TERM 0; sleep 5; kill -KILL 0) >/dev/null 2>&1 &
sh -c "$1" 3<&-
code=$?
kill -KILL $! 2>/dev/null
exit "$code"
"""


class BuildError(Exception):
    """`str()` says what happened and what it means."""


class BuildFailed(BuildError):
    pass


class BuildInterrupted(BuildError):
    pass


@dataclass(frozen=True)
class Watch:
    """Who follows a build: `say` gets its lines, without secrets; `interrupted` is asked four times a second."""

    say: Callable[[list[str]], None]
    interrupted: Callable[[], bool]
    known_secrets: frozenset[str] = frozenset()


def build(application: Application, revision: str, source: Path, output: Path, watch: Watch) -> None:
    """Unpack the tar `source`, run the application's command in it, and write what it leaves as the tar `output`.

    Raises BuildError.
    """
    with tempfile.TemporaryDirectory(
        prefix=f"{revision}-build-", dir=source.parent, ignore_cleanup_errors=True
    ) as name:
        home, tree = Path(name) / "home", Path(name) / "tree"
        home.mkdir()
        tree.mkdir()
        _unpack(source, tree)
        watch.say([f"Builds {revision[:7]} on a worker: {application.build_command.splitlines()[0]}"])
        began = time.monotonic()
        _run(application, revision, tree, home, watch)
        watch.say([f"Built in {time.monotonic() - began:.1f} s."])
        left = (tree / application.build_output).resolve()
        if not left.is_dir() or not left.is_relative_to(tree.resolve()):
            raise BuildFailed(f"The build of {revision[:7]} left no folder {application.build_output!r}.{_NOT_SENT}")
        _pack(left, output)
        for folder in (tree, home):
            shutil.rmtree(folder, onerror=_make_writable)


def _unpack(source: Path, tree: Path) -> None:
    try:
        with tarfile.open(source) as tar:
            tar.extractall(tree, filter="tar")
    except tarfile.TarError as error:
        raise BuildFailed(f"The revision cannot be unpacked for its build: {error}.{_NOT_SENT}") from None


def _pack(folder: Path, output: Path) -> None:
    with tarfile.open(output, "w") as tar:
        for path in sorted(folder.rglob("*")):
            tar.inodes = {}  # type: ignore[attr-defined]  # a file with two names is two files
            tar.add(path, arcname=str(path.relative_to(folder)), recursive=False)


def _run(application: Application, revision: str, tree: Path, home: Path, watch: Watch) -> None:
    last: deque[str] = deque(maxlen=LINES_TOLD)
    with _started(application, revision, tree, home) as process:
        reader = SpoolReader(secrets.token_hex(8), watch.known_secrets)
        give_up = time.monotonic() + application.build_time_limit
        assert process.stdout is not None
        ended = False
        while not ended:
            ended = process.poll() is not None  # before the reading, so that nothing that it wrote is missed
            texts = _lines(reader, process.stdout.fileno())
            if ended:
                texts += [text for item in reader.end() if isinstance(item, Lines) for text in item.texts]
            last.extend(texts)
            if texts:
                watch.say(texts)
            if watch.interrupted():
                raise BuildInterrupted(f"The build of {revision[:7]} was ended.")
            if not ended and time.monotonic() > give_up:
                raise BuildFailed(
                    f"The build of {revision[:7]} ran longer than its limit of {application.build_time_limit} seconds "
                    f"and was ended.{_NOT_SENT}{_told(last)}"
                )
    if process.returncode != 0:
        raise BuildFailed(
            f"The build of {revision[:7]} ended with exit code {process.returncode}.{_NOT_SENT}{_told(last)}"
        )


def _lines(reader: SpoolReader, stdout: int) -> list[str]:
    """What came within a moment, as whole lines."""
    texts: list[str] = []
    wait = LISTEN_SECONDS
    give_up = time.monotonic() + LISTEN_SECONDS
    while select.select([stdout], [], [], wait)[0] and time.monotonic() < give_up:
        data = os.read(stdout, _BLOCK)
        if not data:
            time.sleep(wait)  # it has closed its output and goes on
            break
        texts += [text for item in reader.feed(data) if isinstance(item, Lines) for text in item.texts]
        wait = 0.02
    return texts


def _told(last: deque[str]) -> str:
    return " Its last lines: " + " / ".join(last) if last else " It printed nothing."


@contextmanager
def _started(application: Application, revision: str, tree: Path, home: Path) -> Iterator["subprocess.Popen[bytes]"]:
    """The command in a group of its own, which has ended, all of it, when this is left."""
    watched, held = os.pipe()
    try:
        process = subprocess.Popen(
            ["sh", "-c", _WRAPPER, "build", application.build_command],
            cwd=tree,
            env=_environ(application, revision, home),
            stdin=watched,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    except BaseException:
        os.close(held)
        raise
    finally:
        os.close(watched)
    try:
        yield process
    finally:
        os.close(held)
        _end(process)


def _end(process: "subprocess.Popen[bytes]") -> None:
    """TERM to the whole group, and after 5 seconds KILL; also to what its leader has left behind."""
    give_up = time.monotonic() + TERM_SECONDS
    while process.poll() is None and time.monotonic() < give_up:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGTERM)
        time.sleep(0.1)
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    assert process.stdout is not None
    process.stdout.close()


def _environ(application: Application, revision: str, home: Path) -> dict[str, str]:
    """Nothing of ours but where programs are: this process knows every secret there is."""
    kept = {name: os.environ[name] for name in ("PATH", "LANG", "LC_ALL", "TZ") if name in os.environ}
    return kept | {
        "HOME": str(home),
        "TMPDIR": str(home),
        "CI": "true",
        "DEPLOYER_APPLICATION": application.name,
        "DEPLOYER_REVISION": revision,
    }


def _make_writable(function: Callable[[str], object], path: str, _error: object) -> None:
    """Builds leave read-only folders behind, as Go's module cache."""
    for place in (os.path.dirname(path), path):
        with contextlib.suppress(OSError):
            os.chmod(place, 0o700)
    with contextlib.suppress(OSError):
        function(path)
