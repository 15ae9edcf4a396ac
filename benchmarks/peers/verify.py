"""Is a release really live on every host? Looked at on the hosts' own disks, whatever the tool says."""

import hashlib
import os
from collections.abc import Sequence
from pathlib import Path

from benchmarks.peers.fleet import Fleet

KEEP = 3
LINKED_DIRS = ("log", "tmp/pids", "public/uploads")
LINKED_FILES = (".env",)
_MAY_BE_THERE = {"REVISION", "REVISION_TIME", "tmp/restart.txt"}


def what_is_wrong(fleet: Fleet, place: str, addresses: Sequence[str], files: dict[str, str]) -> dict[str, str]:
    """What is wrong on each host that does not serve exactly `files`, with all that belongs to a deploy."""
    found = {address: _look(fleet, address, place, files) for address in addresses}
    return {address: problem for address, problem in found.items() if problem}


def skew(fleet: Fleet, place: str, addresses: Sequence[str]) -> float:
    """Milliseconds between the first and the last switch, by the times at which the links were made."""
    times = [(fleet.app(address, place) / "current").lstat().st_ctime_ns for address in addresses]
    return (max(times) - min(times)) / 1e6


def _look(fleet: Fleet, address: str, place: str, files: dict[str, str]) -> str:
    inside, outside = fleet.root / place, fleet.app(address, place)
    link = outside / "current"
    if not link.is_symlink():
        return "there is no link current"
    serves = Path(os.path.normpath(inside / os.readlink(link)))
    if serves.parent != inside / "releases":
        return f"current points to {serves}"
    release = outside / "releases" / serves.name
    kept = len(list((outside / "releases").iterdir()))
    if kept > KEEP:
        return f"{kept} releases are kept"
    if not (release / "tmp" / "restart.txt").exists():
        return "it was not restarted"
    return _compare(release, files) or _check_links(release, serves, inside)


def _compare(release: Path, files: dict[str, str]) -> str:
    there = {
        str(path.relative_to(release)) for path in release.rglob("*") if not path.is_symlink() and not path.is_dir()
    }
    if missing := set(files) - there:
        return f"{len(missing)} files are missing, as {min(missing)}"
    if more := there - set(files) - _MAY_BE_THERE:
        return f"{len(more)} files are too many, as {min(more)}"
    for path, wanted in files.items():
        data = (release / path).read_bytes()
        if hashlib.sha1(b"blob %d\0" % len(data) + data, usedforsecurity=False).hexdigest() != wanted:
            return f"{path} has other content"
    return ""


def _check_links(release: Path, serves: Path, inside: Path) -> str:
    for name in (*LINKED_DIRS, *LINKED_FILES):
        path = release / name
        if not path.is_symlink():
            return f"{name} is not linked"
        if os.path.normpath((serves / name).parent / os.readlink(path)) != str(inside / "shared" / name):
            return f"{name} is linked to {os.readlink(path)}"
    return ""
