"""Which commits a deploy brings, and which it leaves behind: read from the cached mirror, never from the network."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

from deployments import recipe_file
from environments import repositories
from environments.models import Application

SHOWN = 100


@dataclass(slots=True)
class Change:
    """A commit as the pages list it."""

    revision: str
    subject: str
    author: str
    at: datetime


@dataclass(slots=True)
class Range:
    """Commits between two revisions: the newest ones, and how many there are."""

    commits: list[Change] = field(default_factory=list)
    number: int = 0

    @property
    def more(self) -> int:
        return max(0, self.number - len(self.commits))

    @property
    def authors(self) -> int:
        return len({commit.author for commit in self.commits})


def as_changes(commits: Sequence[repositories.Commit]) -> list[Change]:
    """Commits with their time as a time."""
    return [Change(it.revision, it.subject, it.author, datetime.fromisoformat(it.at)) for it in commits]


def read_range(*, application: Application, old: str, new: str, limit: int = SHOWN) -> Range:
    """The commits in `new`, less those in `old` (which may be empty). Raises RepositoryError."""
    if old == new:
        return Range()
    if not old:
        found = as_changes(repositories.commits(application, new, limit))
        return Range(found, len(found))
    found = as_changes(repositories.commits_between(application, old, new, limit))
    number = len(found) if len(found) < limit else repositories.count_between(application, old, new)
    return Range(found, number)


@dataclass(slots=True)
class Preview:
    """What deploying a ref would change; `error` says why nobody can tell."""

    ref: str
    revision: str = ""
    going: Range = field(default_factory=Range)
    undone: Range = field(default_factory=Range)
    behind: Range = field(default_factory=Range)
    first: bool = False
    file: recipe_file.RecipeFile | None = None
    error: str = ""


def read_preview(*, application: Application, ref: str, live: str) -> Preview:
    """Resolve `ref` now and compare it with what is live and with the default branch."""
    try:
        revision = repositories.resolve(application, ref)
        head = _head_of(application)
        return Preview(
            ref=ref,
            revision=revision,
            first=not live,
            file=recipe_file.read(application, revision),
            going=read_range(application=application, old=live, new=revision),
            undone=read_range(application=application, old=revision, new=live) if live else Range(),
            behind=read_range(application=application, old=revision, new=head) if head else Range(),
        )
    except repositories.RepositoryError as error:
        return Preview(ref=ref, error=str(error))


def _head_of(application: Application) -> str:
    """The newest commit of the default branch, or "" when there is no such branch (any more)."""
    for ref in repositories.refs(application, application.default_branch, limit=100):
        if ref.kind == "branch" and ref.name == application.default_branch:
            return ref.commit.revision
    return ""
