"""A git history as data: people, commits and what each of them changes; and its text for `git fast-import`.

HistoryError    an edit that does not fit the file as it is at that commit
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

DAY = 86_400
MAIN = "main"


class HistoryError(Exception):
    """A commit of a demo history cannot be made; a mistake in this package, never the user's."""


@dataclass(frozen=True)
class Person:
    """Who writes commits; `zone` is the offset of their clock, as git writes it."""

    name: str
    email: str
    zone: str


@dataclass(frozen=True)
class Take:
    """Add a file as it lies in the application's folder."""

    path: str


@dataclass(frozen=True)
class Put:
    """Add a file, or replace it."""

    path: str
    text: str


@dataclass(frozen=True)
class Edit:
    """Replace one piece of a file, which must be there exactly once."""

    path: str
    old: str
    new: str


Change = Take | Put | Edit


@dataclass(frozen=True)
class Commit:
    """A commit on top of its branch; `days` counts back from now. `start` names the branch or tag a branch leaves."""

    author: Person
    days: float
    message: str
    changes: Sequence[Change]
    branch: str = MAIN
    start: str = ""
    tag: str = ""


@dataclass(frozen=True)
class _Point:
    mark: int
    files: Mapping[str, str]


def fast_import(commits: Iterable[Commit], *, folder: Path, now: int) -> bytes:
    """The whole history as input of `git fast-import`; the same for the same commits and time."""
    points: dict[str, _Point] = {}
    blocks: list[bytes] = []
    for mark, commit in enumerate(commits, start=1):
        base = points.get(commit.branch) or points.get(commit.start) or _Point(0, {})
        changed = _apply(commit, base.files, folder)
        begins = commit.branch not in points
        when = f"{int(now - commit.days * DAY)} {commit.author.zone}"
        blocks.append(_commit_block(commit, mark, base.mark if begins else 0, when, changed))
        points[commit.branch] = _Point(mark, {**base.files, **changed})
        if commit.tag:
            points[commit.tag] = points[commit.branch]
            blocks.append(_tag_block(commit, mark, when))
    return b"".join(blocks) + b"done\n"


def _apply(commit: Commit, files: Mapping[str, str], folder: Path) -> dict[str, str]:
    changed: dict[str, str] = {}
    for change in commit.changes:
        match change:
            case Take(path):
                changed[path] = (folder / path).read_text(encoding="utf-8")
            case Put(path, text):
                changed[path] = text
            case Edit(path, old, new):
                text = changed.get(path) or files.get(path, "")
                if text.count(old) != 1:
                    raise HistoryError(f"{commit.message!r}: {old!r} is {text.count(old)} times in {path}")
                changed[path] = text.replace(old, new)
    return changed


def _commit_block(commit: Commit, mark: int, start: int, when: str, changed: Mapping[str, str]) -> bytes:
    who = f"{commit.author.name} <{commit.author.email}> {when}"
    lines = [f"commit refs/heads/{commit.branch}\nmark :{mark}\nauthor {who}\ncommitter {who}\n".encode()]
    lines.append(_data(commit.message + "\n"))
    if start:
        lines.append(f"from :{start}\n".encode())
    for path, text in changed.items():
        mode = "100755" if path.startswith("bin/") else "100644"
        lines += [f"M {mode} inline {path}\n".encode(), _data(text)]
    return b"".join(lines)


def _tag_block(commit: Commit, mark: int, when: str) -> bytes:
    who = f"{commit.author.name} <{commit.author.email}> {when}"
    return f"tag {commit.tag}\nfrom :{mark}\ntagger {who}\n".encode() + _data(f"Release {commit.tag}\n")


def _data(text: str) -> bytes:
    body = text.encode()
    return f"data {len(body)}\n".encode() + body + b"\n"
