"""The application that is deployed: some files that look like source, and a fresh commit for every run."""

import random
import subprocess
from dataclasses import dataclass
from pathlib import Path

FILES, MEAN_BYTES = 200, 5_000
CHANGED = 20
_LINE = "def handler(request, *args):  # filler\n"


@dataclass(frozen=True)
class Repository:
    """A bare repository, and the folder that commits are made in."""

    bare: Path
    work: Path

    @property
    def url(self) -> str:
        return self.bare.as_uri()

    def files_of(self, revision: str) -> dict[str, str]:
        """Git's name of each file's content, by path."""
        listed = _git(self.bare, "ls-tree", "-r", revision)
        return {path: facts.split()[2] for facts, path in (line.split("\t") for line in listed.splitlines())}

    def commit(self) -> str:
        """One more commit on main, which changes some files; its revision."""
        counter = self.work / "counter"
        count = int(counter.read_text()) + 1
        dice = random.Random(count)
        for path in dice.sample(sorted((self.work / "src").rglob("*.py")), CHANGED):
            with path.open("a") as file:
                file.write(f"# change {count} {dice.randbytes(40).hex()}\n")
        counter.write_text(f"{count}\n")
        _git(self.work, "commit", "--quiet", "--all", "--message", f"Change {count}")
        _git(self.work, "push", "--quiet", str(self.bare), "main")
        return _git(self.work, "rev-parse", "HEAD")


def make_repository(folder: Path) -> Repository:
    """About 200 files and 1 MB, half of it incompressible."""
    made = Repository(folder / "app.git", folder / "work")
    made.work.mkdir(parents=True)
    _git(made.work, "init", "--quiet", "--initial-branch", "main")
    dice = random.Random(7)
    for number in range(FILES):
        path = made.work / "src" / f"package{number % 20:02}" / f"module{number:03}.py"
        path.parent.mkdir(parents=True, exist_ok=True)
        size = int(min(max(dice.expovariate(1 / MEAN_BYTES), 64), MEAN_BYTES * 6))
        path.write_text(dice.randbytes(size // 4).hex() + "\n" + _LINE * (size // 2 // len(_LINE)))
    (made.work / "config").mkdir()
    (made.work / "config" / "app.yml").write_text("env: production\n")
    (made.work / "counter").write_text("0\n")
    _git(made.work, "add", "--all")
    _git(made.work, "commit", "--quiet", "--message", "First")
    _git(folder, "clone", "--quiet", "--bare", str(made.work), str(made.bare))
    _git(made.bare, "config", "gc.auto", "0")
    _git(made.bare, "config", "receive.autogc", "false")
    return made


def _git(folder: Path, *arguments: str) -> str:
    name = ("-c", "user.name=Bench", "-c", "user.email=bench@localhost")
    done = subprocess.run(["git", *name, *arguments], cwd=folder, check=True, capture_output=True, text=True)
    return done.stdout.strip()
