"""Which packed archives stay on this machine: what may be needed yet, and the newest others as far as there is room.

*Needed* is what runs or waits, what serves on a host and what is live. A build cannot always be made again, so of those
also what any host still holds is needed: for a rollback, a retry or a new host.
"""

import logging
import re
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from time import time

from django.conf import settings

from deployments import archives
from deployments.models import Deploy, HeldRelease, Placement, Standing
from deployments.states import FINAL
from environments.models import Application

logger = logging.getLogger(__name__)

KEPT = 20
REST_SECONDS = 3600.0  # what was used since may be on its way to a host
_NAME = re.compile(r"(?:([0-9a-f]{40})-)?([0-9a-f]{40})(?:-build-.*|\..*)")


@dataclass
class _Packed:
    """The files of one revision, or (`base`) of what differs between two. `used` in Unix seconds, `size` in bytes."""

    folder: Path
    base: str
    revision: str
    files: list[Path] = field(default_factory=list)
    size: int = 0
    used: float = 0.0
    whole: bool = False


def prune() -> None:
    """Remove what is not needed: beyond the 20 newest of its folder, or where all together take ARCHIVES_MOST_MB."""
    needed = _needed()
    found = sorted(_found(), key=lambda one: one.used, reverse=True)
    total, most = sum(one.size for one in found), settings.ARCHIVES_MOST_MB << 20
    place: Counter[tuple[Path, bool]] = Counter()
    spare = []
    for one in found:
        place[one.folder, bool(one.base)] += 1
        useless = not one.whole or one.folder not in needed
        old = useless or place[one.folder, bool(one.base)] > KEPT
        if one.revision not in needed.get(one.folder, ()):
            spare.append((one, old))
    for one, old in reversed(spare):
        if (old or total > most) and _remove(one):
            total -= one.size
    if total > most:
        logger.warning(
            "What may be needed yet takes %s MB of the %s MB that ARCHIVES_MOST_MB allows; nothing of it was removed.",
            total >> 20,
            settings.ARCHIVES_MOST_MB,
        )


def _needed() -> dict[Path, set[str]]:
    """Revisions by folder; the folder of an earlier build command, or of an application that is gone, is not there."""
    used: dict[int, set[str]] = defaultdict(set)
    held: dict[int, set[str]] = defaultdict(set)
    active = Deploy.objects.exclude(status__in=FINAL).values_list("target__application", "revision")
    serving = Placement.objects.filter(current__isnull=False).values_list("target__application", "current__revision")
    live = Standing.objects.filter(live__isnull=False).values_list("target__application", "live__revision")
    for application_id, revision in (*active, *serving, *live):
        used[application_id].add(revision)
    on_hosts = HeldRelease.objects.values_list("release__target__application", "release__revision").distinct()
    for application_id, revision in on_hosts:
        held[application_id].add(revision)
    found = {}
    for application in Application.objects.all():
        built = application.build_command or application.distribution == Application.Distribution.ARTIFACT
        found[archives.folder_of(application)] = used[application.pk] | (held[application.pk] if built else set())
    return found


def _found() -> Iterator[_Packed]:
    """All that lies here, also what a worker that was killed has left half made."""
    packed: dict[tuple[Path, str, str], _Packed] = {}
    top = Path(settings.VAR) / "archives"
    for path in sorted([*top.glob("*/*"), *top.glob("*/*/*")]):
        name = _NAME.fullmatch(path.name)
        if name is None or _NAME.fullmatch(path.parent.name):  # the latter: what a build has left in its own folder
            continue
        base, revision = name[1] or "", name[2]
        one = packed.setdefault((path.parent, base, revision), _Packed(path.parent, base, revision))
        try:
            facts = path.stat()
        except FileNotFoundError:
            continue
        one.files.append(path)
        one.size += facts.st_size
        one.used = max(one.used, facts.st_mtime)
        one.whole = one.whole or bool(base) or path.suffix == ".json"
    yield from packed.values()


def _remove(one: _Packed) -> bool:
    """Nobody makes or takes it meanwhile: who wants it holds its lock, or waits for it and finds that it is gone."""
    lock = one.folder / ("lock" if one.base else f"{one.revision}.lock")
    with archives.alone_at_once(lock) as alone:
        if not alone or any(time() - path.stat().st_mtime <= REST_SECONDS for path in one.files if path.exists()):
            return False
        for path in sorted(one.files, key=lambda path: path.suffix != ".json"):  # first what says that it is there
            archives.remove(path)
    return True
