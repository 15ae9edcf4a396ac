"""What a deploy would meet: hosts that run something else than what is live, migrations, people; how long it takes."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from deployments.models import Deploy, Kind, Placement
from deployments.page_queries.commits import Preview
from deployments.page_queries.deploy import LOOK_BACK, Earlier, Expected, expect
from environments import repositories
from environments.models import Membership, Phase, Target, User

GROUPS_SHOWN = 5
FILES_SHOWN = 12
# Where the usual frameworks keep what changes a database.
_MIGRATIONS = re.compile(
    r"(?:^|/)(?:migrations?|migrate|alembic/versions|flyway|liquibase)/[^/]+\.(?:py|rb|sql|php|js|ts|xml|ya?ml)$"
)
_NO_MIGRATION = ("__init__.py",)


@dataclass(slots=True)
class Group:
    """Hosts that run the same other revision; `number` commits go out there, None when nobody can tell."""

    revision: str
    ref: str
    hosts: list[str]
    number: int | None


@dataclass(slots=True)
class Outlook:
    """`once` names the steps that run once; `migrations` are files that differ, with a letter each."""

    differing: list[Group] = field(default_factory=list)
    migrations: list[tuple[str, str]] = field(default_factory=list)
    once: list[str] = field(default_factory=list)
    authors: list[str] = field(default_factory=list)
    expected: Expected | None = None

    @property
    def more_migrations(self) -> int:
        return max(0, len(self.migrations) - FILES_SHOWN)


@dataclass(frozen=True, slots=True)
class Choice:
    """What a person chose the last time on a target; empty before the first.

    Not which hosts: who tried a release on one wants the others next, and hosts left out unseen would stay behind.
    """

    ref: str = ""
    held: bool = False


def read_outlook(target: Target, preview: Preview, live: Deploy | None, members: Sequence[Membership]) -> Outlook:
    """Reads the database and the mirror as it is; no network."""
    seen = Outlook(
        differing=_read_differing(target, preview.revision, live, members),
        once=list(target.steps.filter(phase=Phase.ONCE).values_list("name", flat=True)),
        authors=list(dict.fromkeys(commit.author for commit in preview.going.commits)),
        expected=expect(_read_earlier(target)),
    )
    if live:
        seen.migrations = _find_migrations(target, live.revision, preview.revision)
    return seen


def _read_earlier(target: Target) -> list[Earlier]:
    past = Deploy.objects.filter(target=target, kind=Kind.DEPLOY).order_by("-number")
    fields = past.values_list("pk", "number", "status", "revision", "ref", "started_at", "finished_at")
    return [Earlier(*row) for row in fields[:LOOK_BACK]]


def _read_differing(target: Target, revision: str, live: Deploy | None, members: Sequence[Membership]) -> list[Group]:
    """Of what is live by history each host may run another; the largest groups first."""
    usual = live.revision if live else ""
    there = {place.host_id: place.current for place in _placements(target) if place.current}
    groups: dict[str, Group] = {}
    for member in members:
        current = there.get(member.host_id)
        runs = current.revision if current else ""
        if runs != usual:
            group = groups.setdefault(runs, Group(runs, current.ref if current else "", [], None))
            group.hosts.append(member.host.name)
    found = sorted(groups.values(), key=lambda group: -len(group.hosts))[:GROUPS_SHOWN]
    for group in found:
        group.number = _count(target, group.revision, revision)
    return found


def _placements(target: Target) -> Iterable[Placement]:
    return Placement.objects.filter(target=target, colour="").select_related("current")


def _count(target: Target, old: str, new: str) -> int | None:
    try:
        return repositories.count_between(target.application, old, new) if old else None
    except repositories.RepositoryError:
        return None


def _find_migrations(target: Target, old: str, new: str) -> list[tuple[str, str]]:
    try:
        files, _ = repositories.files_between(target.application, old, new, limit=5000)
    except repositories.RepositoryError:
        return []
    return [(letter, path) for letter, path in files if _MIGRATIONS.search(path) and not path.endswith(_NO_MIGRATION)]


def read_choice(user: User, target: Target) -> Choice:
    """From the person's latest deploy of the target: a branch or tag that still brings something, held or not."""
    last = Deploy.objects.filter(target=target, by=user, kind=Kind.DEPLOY).order_by("-number").first()
    if last is None:
        return Choice()
    return Choice(last.ref if _goes_on(target, last.ref) else "", last.held and last.flip_at is None)


def _goes_on(target: Target, name: str) -> bool:
    """Whether it is a name that is still there; a tag that is live already brings nothing, and never will."""
    if repositories.is_hex(name):
        return False
    try:
        found = [ref for ref in repositories.refs(target.application, name, limit=100) if ref.name == name]
    except repositories.RepositoryError:
        return False
    standing = getattr(target, "standing", None)
    live = standing.live.revision if standing and standing.live else ""
    return any(ref.kind != "tag" or ref.commit.revision != live for ref in found)
