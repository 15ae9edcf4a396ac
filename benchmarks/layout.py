"""What it costs a host to lay out a release of 2,000 files and 20 MB that differs from the previous one in 10 files.

`python benchmarks/layout.py [ROUNDS]`. Our own prepare, both distributions, beside what one would do by hand; no SSH,
so that only the host's work counts. Rounds are interleaved, each way gets a new commit each time, and what it has laid
out is compared with that. Figures are medians of seconds and of processor time, and ratios to the cheapest way.
"""

import ctypes
import os
import platform
import random
import resource
import shutil
import statistics
import subprocess
import sys
import tarfile
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from deployments import host_program, packing, program_texts
from deployments.host_values import ArchiveSource, Call, Changes, GitSource, HeldSource, Place, Release, Source

FILES, MEAN_SIZE, CHANGED = 2_000, 10_000, 10
NONCE = "benchmark0"
LINK = "hard links and what differs"
_SUBREAPER = 36  # prctl(2): what is detached becomes our child, so that its processor time is counted
_FETCH = 'git --git-dir="$M" remote update --prune >/dev/null 2>&1; mkdir -p "$R"; cd "$R"; '
BY_HAND = {
    LINK: 'git --git-dir="$M" remote update --prune >/dev/null 2>&1; cp -al "$P" "$R"; cd "$R"; G="git --git-dir=$M"; '
    "$G diff --name-only --diff-filter=D $O $V | xargs -r rm -f; "
    '$G diff --name-only --diff-filter=d $O $V >"$M/list"; xargs -r rm -f <"$M/list"; '
    '$G archive $V $(cat "$M/list") | tar -x',
    "git archive | tar": f'{_FETCH}git --git-dir="$M" archive $V | tar -x',
    "checkout-index": f'{_FETCH}export GIT_DIR="$M" GIT_WORK_TREE=. GIT_INDEX_FILE="$M/idx"; '
    'git read-tree $V && git checkout-index -a -f; rm "$M/idx"',
}


@dataclass
class Cost:
    wall: float
    cpu: float


class Repository:
    """Half of it can be compressed, as source and assets together."""

    def __init__(self, folder: Path) -> None:
        self.path, self._work, self._random = folder / "app.git", folder / "work", random.Random(7)
        git("init", "-q", "--bare", "-b", "main", str(self.path))
        git("-C", str(self.path), "config", "uploadpack.allowReachableSHA1InWant", "true")
        git("init", "-q", "-b", "main", str(self._work))
        for n in range(FILES):
            path = self._work / f"src/pkg{n % 40:02}/mod{n // 400}/file{n:05}.py"
            path.parent.mkdir(parents=True, exist_ok=True)
            size = min(6 * MEAN_SIZE, max(64, int(self._random.expovariate(1 / MEAN_SIZE))))
            line = "def handler(request, *args):  # filler line\n"
            path.write_text(self._random.randbytes(size // 4).hex() + "\n" + line * (size // 2 // len(line)))
        self._names = sorted(str(path.relative_to(self._work)) for path in self._work.rglob("*.py"))
        self.head = self._commit()

    def change(self) -> str:
        for name in self._random.sample(self._names, CHANGED):
            with (self._work / name).open("a") as file:
                file.write(f"# {self._random.randbytes(20).hex()}\n")
        self.head = self._commit()
        return self.head

    def _commit(self) -> str:
        where = ("-C", str(self._work))
        git(*where, "add", "-A")
        git(*where, "-c", "user.name=B", "-c", "user.email=b@example.org", "commit", "-qm", "change")
        git(*where, "push", "-q", str(self.path), "main")
        return git(*where, "rev-parse", "HEAD")

    def pack(self, revision: str, folder: Path) -> packing.Facts:
        plain = folder / "plain.tar"
        plain.write_bytes(subprocess.check_output(["git", "-C", str(self.path), "archive", revision]))
        return packing.pack(plain, gz=folder / f"{revision}.tar.gz", zst=folder / f"{revision}.tar.zst")

    def differs(self, revision: str, folder: Path) -> str:
        """How a release differs from the revision; empty: not at all."""
        with tempfile.TemporaryDirectory() as name:
            tar = subprocess.Popen(["git", "-C", str(self.path), "archive", revision], stdout=subprocess.PIPE)
            with tar, tarfile.open(fileobj=tar.stdout, mode="r|") as members:
                members.extractall(name, filter="tar")
            command = ["diff", "-r", "--no-dereference", "--exclude=REVISION", name, str(folder)]
            return subprocess.run(command, check=False, capture_output=True, text=True).stdout


def git(*arguments: str) -> str:
    environment = {"PATH": os.environ["PATH"], "GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1"}
    return subprocess.check_output(["git", *arguments], text=True, env=environment).strip()


def measured(act: Callable[[], object]) -> Cost:
    """`act` and everything that it started, also what it detached, to its end."""
    before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    act()
    wall = time.perf_counter() - began
    try:
        while True:
            os.wait()
    except ChildProcessError:
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return Cost(wall, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)


def run_program(call: Call, text: str, files: dict[str, Path]) -> None:
    """What a worker does, by pipes. Raises SystemExit when the program did not end well."""
    process = subprocess.Popen(
        ["sh", "-c", host_program.start_command(call)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(host_program.program_message(text, NONCE))
    process.stdin.flush()
    said = []
    for line in process.stdout:
        said.append(line)
        mark = host_program.parse_mark(line, NONCE)
        if mark and mark.word == "need":
            wanted = host_program.wanted(mark)
            process.stdin.write(host_program.upload_from(0).encode() + files[wanted.what].read_bytes())
            process.stdin.flush()
        if mark and mark.word in ("end", "refused"):
            if mark.args != "ok":
                raise SystemExit(b"".join(said).decode())
            process.stdin.write(b"stored\n")
            process.stdin.flush()
    process.stdin.close()
    process.stdout.close()
    process.wait()


class ByHand:
    """A way that one could write down in a script."""

    def __init__(self, folder: Path, repository: Repository, script: str) -> None:
        self._folder, self._repository, self._script, self._old = folder, repository, script, repository.head
        self._mirror = folder / "mirror.git"
        git("clone", "-q", "--mirror", f"file://{repository.path}", str(self._mirror))
        self._previous = folder / "0"
        self._previous.mkdir()
        subprocess.run(
            f"git -C {self._mirror} archive {self._old} | tar -x -C {self._previous}", shell=True, check=True
        )

    def lay_out(self, revision: str, number: int) -> tuple[Cost, Path]:
        release = self._folder / str(number)
        facts = {"M": self._mirror, "R": release, "P": self._previous, "O": self._old, "V": revision}
        environment = {"PATH": os.environ["PATH"]} | {name: str(value) for name, value in facts.items()}
        command = ["sh", "-c", self._script]
        cost = measured(lambda: subprocess.run(command, env=environment, check=True))
        shutil.rmtree(self._previous)
        self._previous, self._old = release, revision
        return cost, release


class Ours:
    """Our prepare, as it would run over SSH."""

    def __init__(self, folder: Path, repository: Repository, distribution: str) -> None:
        self._folder, self._repository, self._distribution = folder, repository, distribution
        self._place = Place(str(folder / "root"), "benchmark/layout")
        self._facts: dict[str, packing.Facts] = {}
        self._old = ""
        self.lay_out(repository.head, 0)

    def lay_out(self, revision: str, number: int) -> tuple[Cost, Path]:
        release = Release(f"{20260101000000 + number}-{revision[:7]}", revision, number, "benchmark")
        source, files = self._source(revision)
        cost = self._run(release, source, files, f"p{number}")
        root = Path(self._place.root)
        link = root / "current"
        link.unlink(missing_ok=True)
        link.symlink_to(f"releases/{release.name}")
        for old in (root / "releases").iterdir():
            if old.name != release.name:
                shutil.rmtree(old)
                shutil.rmtree(root / ".deployer/releases" / old.name)
        self._old, self._release = revision, release
        return cost, root / "releases" / release.name

    def nothing(self, number: int) -> Cost:
        """The same program for a release that lies there already: what is left is everything but laying out."""
        return self._run(self._release, HeldSource(), {}, f"n{number}")

    def _run(self, release: Release, source: Source, files: dict[str, Path], name: str) -> Cost:
        archive = source if isinstance(source, ArchiveSource) else None
        call = Call(self._place, name, 1, NONCE, 0, archive)
        text = program_texts.prepare_program(self._place, release, source, [], [], [], {})
        return measured(lambda: run_program(call, text, files))

    def _source(self, revision: str) -> tuple[Source, dict[str, Path]]:
        if self._distribution == "git":
            return GitSource(
                f"file://{self._repository.path}", revision, "refs/heads/main", total=FILES * MEAN_SIZE
            ), {}
        facts = self._facts[revision] = self._repository.pack(revision, self._folder)
        whole, changes = self._folder / f"{revision}.tar.gz", self._folder / f"changes-{revision}.tar.gz"
        known = None
        if self._old:
            packed = packing.pack_changes(self._facts[self._old], facts, whole, gz=changes)
            known = Changes(self._facts[self._old].gz.sha256, packed)
        return ArchiveSource(facts.gz, facts.total, None, known), {"archive": whole, "changes": changes}


def measure(rounds: int) -> dict[str, list[Cost]]:
    costs: dict[str, list[Cost]] = {}
    with tempfile.TemporaryDirectory(prefix="deployer-layout-") as name:
        folder = Path(name)
        repository = Repository(folder)
        ways: dict[str, ByHand | Ours] = {}
        for place, (way, script) in enumerate(BY_HAND.items()):
            (folder / str(place)).mkdir()
            ways[way] = ByHand(folder / str(place), repository, script)
        for distribution in ("archive", "git"):
            (folder / distribution).mkdir()
            ways[f"ours, {distribution}"] = Ours(folder / distribution, repository, distribution)
        for number in range(1, rounds + 1):
            for way, one in ways.items():
                revision = repository.change()
                cost, release = one.lay_out(revision, number)
                if difference := repository.differs(revision, release):
                    raise SystemExit(f"{way} has laid out something else:\n{difference[:2000]}")
                costs.setdefault(way, []).append(cost)
                if isinstance(one, Ours):
                    costs.setdefault(f"{way}, all but laying out", []).append(one.nothing(number))
    return costs


def main() -> None:
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 7
    if platform.system() == "Linux":
        ctypes.CDLL(None).prctl(_SUBREAPER, 1, 0, 0, 0)
    costs = measure(rounds)
    least = {what: statistics.median(getattr(cost, what) for cost in costs[LINK]) for what in ("wall", "cpu")}
    print(f"{FILES} files, {CHANGED} changed, {rounds} rounds, load {os.getloadavg()[0]:.1f}, {platform.machine()}")
    for way, found in costs.items():
        wall, cpu = (statistics.median(getattr(cost, what) for cost in found) for what in ("wall", "cpu"))
        ratios = f"{wall / least['wall']:5.2f} {cpu / least['cpu']:5.2f}"
        print(f"{way:42} wall {wall * 1000:6.0f} ms  cpu {cpu * 1000:6.0f} ms  ratios {ratios}")


if __name__ == "__main__":
    main()
