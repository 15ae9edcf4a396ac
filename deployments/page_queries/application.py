"""The page of an application: its environments side by side, what has not reached the last of them, its deploys."""

from dataclasses import dataclass
from functools import reduce
from operator import or_

from django.db.models import Q

from deployments.models import Deploy, Kind
from deployments.page_queries.commits import Change, as_changes
from deployments.page_queries.locks import read_told_locks, tell_lock
from deployments.page_queries.stages import Stage, mark_of, read_stages
from deployments.page_queries.words import Mark, tell_deploy
from environments import repositories
from environments.models import Application, User

SHOWN_RECENT = 12
SHOWN_COMMITS = 40
MOST_TRAVELLED = 500


@dataclass(slots=True)
class Travelled:
    """A commit, and for each environment in order its name and whether it is live there."""

    change: Change
    stations: list[tuple[str, bool]]

    @property
    def words(self) -> str:
        """`on dev and staging`; `nowhere yet`."""
        there = [name for name, arrived in self.stations if arrived]
        return f"on {' and '.join(filter(None, [', '.join(there[:-1]), there[-1]]))}" if there else "nowhere yet"


@dataclass(slots=True)
class ApplicationPage:
    """Everything that the page of an application shows at once; its commits come after it."""

    application: Application
    stages: list[Stage]
    recent: list[tuple[Deploy, Mark, str]]
    headline: str
    locks: dict[str, str]


def read_application(application: Application, *, user: User | None = None) -> ApplicationPage:
    """Three queries."""
    stages, standing = read_stages(application, user=user), read_told_locks()
    names = [stage.target.environment.name for stage in stages]
    marks = {name: tell_lock(standing, application.name, name) for name in names}
    return ApplicationPage(application, stages, _read_recent(stages), _tell_headline(stages), marks)


def _read_recent(stages: list[Stage]) -> list[tuple[Deploy, Mark, str]]:
    """The newest of all targets: the last few numbers of each are found by their index, whatever the history."""
    last = [
        Q(target=stage.target, number__gt=stage.target.last_number - SHOWN_RECENT)
        for stage in stages
        if stage.target.last_number
    ]
    if not last:
        return []
    found = Deploy.objects.filter(reduce(or_, last)).select_related("target__environment", "target__application")
    rows = found.order_by("-id")[:SHOWN_RECENT]
    return [(it, mark_of(it), tell_deploy(it.status, task=it.ref if it.kind == Kind.TASK else "")) for it in rows]


def _tell_headline(stages: list[Stage]) -> str:
    """Where it stands, in a sentence: `production is 4 commits behind staging.`"""
    if not stages:
        return "It is deployed nowhere yet."
    last = stages[-1]
    name = last.target.environment.name
    if last.live is None:
        return f"Nothing is live in {name} yet."
    told = [stage for stage in stages if stage.gap and stage.gap.behind]
    if len(stages) > 1 and all(stage.gap and stage.gap.same for stage in stages[1:]):
        return "Every environment runs the same revision."
    before = {stage.target.pk: stages[n].target.environment.name for n, stage in enumerate(stages[1:])}
    parts = [
        f"{stage.target.environment.name} is {_commits(stage.gap.behind)} behind {before[stage.target.pk]}"
        for stage in told
        if stage.gap
    ]
    return (", ".join(parts) + ".") if parts else f"{name} runs {last.live.revision[:7]}."


def _commits(number: int) -> str:
    return "one commit" if number == 1 else f"{number} commits"


def read_travelled(stages: list[Stage], application: Application, *, goal: Stage) -> tuple[list[Travelled], bool]:
    """Commits that are not live at the goal, newest first, and whether there are more; stages tell how far each came.

    Read from the cached mirror. Raises RepositoryError, FileNotFoundError (no mirror here yet).
    """
    live = [(stage.target.environment.name, stage.live.revision) for stage in stages if stage.live]
    newest = [ref.commit.revision for ref in repositories.refs(application, application.default_branch, limit=20)
              if ref.kind == "branch" and ref.name == application.default_branch]  # fmt: skip
    tips = list(dict.fromkeys([*newest, *(revision for _, revision in live)]))
    if not tips:
        return [], False
    base = goal.live.revision if goal.live else ""
    commits = repositories.commits_beyond(application, base, tips, SHOWN_COMMITS + 1)
    lacking = {
        revision: {it.revision for it in repositories.commits_beyond(application, revision, tips, MOST_TRAVELLED)}
        for _, revision in live
    }
    found = [
        Travelled(change, [(name, change.revision not in lacking[revision]) for name, revision in live])
        for change in as_changes(commits[:SHOWN_COMMITS])
    ]
    return found, len(commits) > SHOWN_COMMITS
