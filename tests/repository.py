"""A git repository for tests, with a working copy that commits to it."""

import os
import subprocess
from collections.abc import Mapping
from pathlib import Path

GIT_ENVIRONMENT = {
    "PATH": os.environ["PATH"],
    "HOME": "/nonexistent",
    "GIT_CONFIG_GLOBAL": os.devnull,
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_AUTHOR_NAME": "Ada",
    "GIT_AUTHOR_EMAIL": "ada@example.org",
    "GIT_COMMITTER_NAME": "Ada",
    "GIT_COMMITTER_EMAIL": "ada@example.org",
}


class Repository:
    """A bare repository, and a working copy from which commits are pushed to it."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "app.git"
        self._work = folder / "work"
        subprocess.run(["git", "init", "-q", "--bare", "-b", "main", self.path], check=True, env=GIT_ENVIRONMENT)
        subprocess.run(["git", "init", "-q", "-b", "main", self._work], check=True, env=GIT_ENVIRONMENT)
        # as the large git hosts do: hosts fetch one commit by its name
        subprocess.run(
            ["git", "-C", self.path, "config", "uploadpack.allowReachableSHA1InWant", "true"],
            check=True,
            env=GIT_ENVIRONMENT,
        )

    @property
    def url(self) -> str:
        return f"file://{self.path}"

    def git(self, *arguments: str) -> str:
        command = ["git", "-C", str(self._work), *arguments]
        done = subprocess.run(command, check=True, env=GIT_ENVIRONMENT, capture_output=True, text=True)
        return done.stdout.strip()

    def commit(self, files: Mapping[str, str], *, branch: str = "main") -> str:
        """Push a commit with these files ("-> x" is a link) to the branch; its 40 hex digits."""
        self.git("checkout", "-q", "-B", branch)
        for name, text in files.items():
            path = self._work / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.unlink(missing_ok=True)
            if text.startswith("-> "):
                path.symlink_to(text[3:])
            else:
                path.write_text(text)
        self.git("add", "--all")
        self.git("commit", "-q", "--allow-empty", "-m", f"Change {', '.join(files)}")
        self.git("push", "-q", "--force", str(self.path), branch, "--tags")
        return self.git("rev-parse", "HEAD")
