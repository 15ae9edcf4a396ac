"""Where a rollback goes, and what it would do. Chosen by the release's id, so it is the same on every host."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from statistics import median

from deployments import releases
from deployments.blockers import members
from deployments.down_commands import Migration, migrations_since
from deployments.models import Deploy, Kind, Release
from deployments.refusals import CannotRollBack
from deployments.states import WENT_LIVE, DeployStatus
from environments import repositories
from environments.models import Membership, Target

LOOK_BACK = 20
COMMITS_SHOWN = 20


@dataclass(frozen=True, slots=True)
class Preview:
    """What a rollback to `goal` would do now.

    `undone` are the commits that would no longer be live, newest first; None when this machine's copy of the repository
    cannot tell. `expected` is None when none was timed yet. `migrations` ran for later releases, and stay as they are.
    """

    goal: Deploy
    live: Deploy | None
    holding: tuple[str, ...]
    lacking: tuple[str, ...]
    undone: tuple[repositories.Commit, ...] | None
    undone_count: int
    expected: timedelta | None
    migrations: tuple[Migration, ...]


def choose(target: Target, to: Deploy | None, *, stopping: Deploy | None = None) -> Deploy:
    """The deploy to go back to: `to`, or the last good one before what serves (or before what is being stopped).

    Raises CannotRollBack.
    """
    goal = to or releases.last_good(target, before=stopping.release if stopping else None)
    if goal is None:
        raise CannotRollBack(f"{target.slug} has no earlier good release to go back to.")
    if goal.target_id != target.pk or goal.release is None:
        raise CannotRollBack(f"#{goal.number} left no release on {target.slug}.")
    if goal.status not in WENT_LIVE:
        raise CannotRollBack(
            f"#{goal.number} ended as {goal.status}, so its release has not shown that it is well. "
            f"Choose one that went live, or deploy {goal.revision[:7]} anew."
        )
    return goal


def check_lacking(target: Target, goal: Deploy, member_list: Sequence[Membership]) -> None:
    """Hosts that no longer hold the release get it again first; refused now if that cannot work.

    Asks the repository, so call it before a transaction. Raises CannotRollBack.
    """
    assert goal.release is not None
    missing = releases.lacking_hosts(goal.release, member_list)
    if not missing:
        return
    why = _why_not_anew(target, goal.release)
    if why:
        raise CannotRollBack(
            f"{', '.join(missing)} no longer hold{'s' if len(missing) == 1 else ''} release {goal.release.name} of "
            f"#{goal.number}, and {why} Choose another release."
        )


def _why_not_anew(target: Target, release: Release) -> str:
    if release.imported:
        return "it was laid out by another tool, so it cannot be laid out again."
    try:
        repositories.ensure_revision(target.application, release.revision)
    except repositories.RepositoryError as error:
        return f"it cannot be laid out again: {error}"
    return ""


def preview(target: Target, goal: Deploy) -> Preview:
    """What a rollback to `goal` would do. Reads the database and the mirror as they are; no network."""
    assert goal.release is not None
    standing = getattr(target, "standing", None)
    live = standing.live if standing else None
    member_list = list(members(target))
    lacking = releases.lacking_hosts(goal.release, member_list)
    undone = _undone(target, goal, live)
    return Preview(
        goal=goal,
        live=live,
        holding=tuple(member.host.name for member in member_list if member.host.name not in lacking),
        lacking=tuple(lacking),
        undone=undone[0] if undone else None,
        undone_count=undone[1] if undone else 0,
        expected=_expect(target),
        migrations=tuple(migrations_since(goal)),
    )


def _undone(target: Target, goal: Deploy, live: Deploy | None) -> tuple[tuple[repositories.Commit, ...], int] | None:
    if live is None or live.revision == goal.revision:
        return (), 0
    try:
        shown = repositories.commits_between(target.application, goal.revision, live.revision, limit=COMMITS_SHOWN)
        return tuple(shown), repositories.count_between(target.application, goal.revision, live.revision)
    except (repositories.RepositoryError, FileNotFoundError):  # the latter: no mirror on this machine yet
        return None


def _expect(target: Target) -> timedelta | None:
    """Half of the latest rollbacks took no longer."""
    past = Deploy.objects.filter(target=target, kind=Kind.ROLLBACK, status=DeployStatus.SUCCEEDED).order_by("-number")
    times = list(past.values_list("started_at", "finished_at")[:LOOK_BACK])
    seconds = [(end - start).total_seconds() for start, end in times if start and end]
    return timedelta(seconds=median(seconds)) if seconds else None
