"""A folder as Capistrano 3 leaves it, made without Capistrano."""

import os
from pathlib import Path

REVISIONS = {"20260101100000": "1" * 40, "20260102100000": "2" * 40, "20260103100000": "3" * 40}


def make_root(root: Path, releases: dict[str, str] | None = None, *, current: str = "") -> Path:
    """`releases`: revisions by name. `current` is the last of them unless told; Capistrano's links are absolute."""
    held = REVISIONS if releases is None else releases
    (root / "shared/log").mkdir(parents=True)
    (root / "shared/log/app.log").write_text("old\n")
    lines = []
    for at, (name, revision) in enumerate(held.items()):
        folder = root / "releases" / name
        folder.mkdir(parents=True)
        (folder / "REVISION").write_text(f"{revision}\n")
        (folder / "index.html").write_text(f"<h1>{name}</h1>\n")
        (folder / "log").symlink_to(root / "shared/log")
        os.utime(folder, (1_767_000_000 + at * 1000, 1_767_000_000 + at * 1000))
        lines.append(f"Branch main (at {revision}) deployed as release {name} by ada\n")
    (root / "revisions.log").write_text("".join(lines))
    (root / "current").symlink_to(root / "releases" / (current or list(held)[-1]))
    return root


def state_of(root: Path) -> dict[str, tuple[float, str]]:
    """Every path with its time and what it holds: to see that nothing was touched."""
    found = {}
    for path in sorted(root.rglob("*")):
        text = os.readlink(path) if path.is_symlink() else path.read_text(errors="replace") if path.is_file() else ""
        found[str(path.relative_to(root))] = (path.lstat().st_mtime, text)
    return found
