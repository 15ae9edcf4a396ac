"""The archive of a revision: made once, streamed to every host that lacks it; and what differs between two of them."""

import fcntl
import hashlib
import logging
import os
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from django.conf import settings

from deployments import artifacts, builds, packing
from deployments.host_values import ArchiveSource, Changes, Packed
from environments import repositories
from environments.models import Application

logger = logging.getLogger(__name__)

LOOK_SECONDS = 0.1
NOBODY = builds.Watch(say=lambda _: None, interrupted=lambda: False)
_BLOCK = 1 << 18


class ArchiveFailed(Exception):
    """The archive of a revision could not be made; the text says why."""


@dataclass(frozen=True)
class Archive:
    """On this machine, and what hosts are told of it."""

    folder: Path
    revision: str
    source: ArchiveSource

    def path_of(self, what: str, packed: str) -> Path:
        """The file for a host that asks for `what` (archive, changes) in a packing (gz, zst)."""
        if what == "changes" and self.source.changes:
            return self.folder / f"{self.source.changes.base[:40]}-{self.revision}.tar.gz"
        return self.folder / f"{self.revision}.tar.{packed}"

    def without_changes(self) -> "Archive":
        return replace(self, source=replace(self.source, changes=None))


def ensure_archive(application: Application, revision: str, watch: builds.Watch = NOBODY) -> Archive:
    """The archive of `revision`, made if this machine has none yet: of the repository, of a build made elsewhere, or of
    one that is made now; of many that want it, one makes it.

    Raises RepositoryError, ArchiveFailed, builds.BuildInterrupted.
    """
    folder = folder_of(application)
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    known = folder / f"{revision}.json"
    with alone(folder / f"{revision}.lock", watch):
        if known.exists():
            os.utime(known)  # archive_retention goes by when it was wanted last
        else:
            _make(application, revision, folder, watch)
        facts = packing.Facts.read(known)
    return Archive(folder, revision, ArchiveSource(gz=facts.gz, total=facts.total, zst=facts.zst))


def is_made(application: Application, revision: str) -> bool:
    """Whether this machine has the archive already."""
    return (folder_of(application) / f"{revision}.json").exists()


def with_changes(archive: Archive, base: str) -> Archive:
    """The archive, with what hosts that serve the revision `base` need instead, where that is known here."""
    known = archive.folder / f"{base}.json"
    if base == archive.revision or not known.exists():
        return archive
    with alone(archive.folder / "lock", NOBODY):
        try:
            old = packing.Facts.read(known)
            new = packing.Facts.read(archive.folder / f"{archive.revision}.json")
            found = replace(archive.source, changes=Changes(old.gz.sha256, _NOTHING))
            path = replace(archive, source=found).path_of("changes", "gz")
            packed = packing.pack_changes(old, new, archive.path_of("archive", "gz"), gz=path)
        except OSError as error:
            logger.warning("What differs between %s and %s is not known: %s", base[:7], archive.revision[:7], error)
            return archive
    return replace(archive, source=replace(found, changes=Changes(old.gz.sha256, packed)))


_NOTHING = Packed("0" * 64, 1)


def _make(application: Application, revision: str, folder: Path, watch: builds.Watch) -> None:
    _sweep(folder, revision)
    plain = folder / f"{revision}.tar"
    try:
        if application.distribution == Application.Distribution.ARTIFACT:
            _artifact_tar(application, revision, plain)
        elif application.build_command:
            _built_tar(application, revision, plain, watch)
        else:
            _git_tar(application, revision, plain)
        facts = packing.pack(plain, gz=folder / f"{revision}.tar.gz", zst=folder / f"{revision}.tar.zst")
    except (packing.PackingError, artifacts.ArtifactError, builds.BuildFailed) as error:
        raise ArchiveFailed(f"{application.name} cannot be deployed at {revision[:7]}: {error}") from error
    finally:
        plain.unlink(missing_ok=True)
    facts.write(folder / f"{revision}.json")


def _sweep(folder: Path, revision: str) -> None:
    """What a worker that was killed in the middle has left."""
    for left in folder.glob(f"{revision}.*"):
        if left.suffix not in {".lock", ".json"}:
            left.unlink()
    for left in folder.glob(f"{revision}-build-*"):
        remove(left)


def _artifact_tar(application: Application, revision: str, plain: Path) -> None:
    packed = plain.with_suffix(".download")
    try:
        artifacts.download(application, revision, packed)
        with artifacts.unpacked(application, packed) as tar:
            packing.safe_tar(tar, plain, limit=settings.ARTIFACT_MOST_MB << 22)
    finally:
        packed.unlink(missing_ok=True)


def _built_tar(application: Application, revision: str, plain: Path, watch: builds.Watch) -> None:
    source, left = plain.with_suffix(".source"), plain.with_suffix(".left")
    try:
        _git_tar(application, revision, source)
        builds.build(application, revision, source, left, watch)
        with left.open("rb") as tar:
            packing.safe_tar(tar, plain, limit=settings.ARTIFACT_MOST_MB << 22)
    finally:
        for path in (source, left):
            path.unlink(missing_ok=True)


def _git_tar(application: Application, revision: str, plain: Path) -> None:
    repositories.ensure_revision(application, revision)
    with repositories.tar_of(application, revision) as git, plain.open("wb") as spool:
        assert git.stdout is not None
        assert git.stderr is not None
        while block := git.stdout.read(_BLOCK):
            spool.write(block)
        said = git.stderr.read().decode(errors="replace").strip()
        if git.wait() != 0:
            raise ArchiveFailed(f"git could not archive {revision[:7]} of {application.name}: {said}")


def folder_of(application: Application) -> Path:
    """Where its archives lie: one folder for each way in which the same revision becomes something else."""
    folder = Path(settings.VAR) / "archives" / str(application.pk)
    if application.distribution == Application.Distribution.ARTIFACT:
        folder /= _digest("artifact", application.artifact_url)
    elif application.build_command:
        folder /= _digest("build", application.build_command, application.build_output)
    return folder


def remove(path: Path) -> None:
    """A file, or a whole folder; what is gone already is no matter."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)


def _digest(*words: str) -> str:
    return hashlib.sha256("\0".join(words).encode()).hexdigest()[:16]


@contextmanager
def alone(path: Path, watch: builds.Watch) -> Iterator[None]:
    """Hold a lock; who waits for another one's build can still be interrupted."""
    while True:
        with alone_at_once(path) as alone:
            if alone:
                yield
                return
        if watch.interrupted():
            raise builds.BuildInterrupted("Another worker makes this archive; it is waited for no longer.")
        time.sleep(LOOK_SECONDS)


@contextmanager
def alone_at_once(path: Path) -> Iterator[bool]:
    """Hold a lock, or learn that another one does. The file of a lock may be removed by who holds it."""
    with path.open("a") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            alone = _lies_there(path, lock.fileno())
        except BlockingIOError:
            alone = False
        yield alone


def _lies_there(path: Path, descriptor: int) -> bool:
    """Otherwise another process may hold a newer file of this name just as well."""
    try:
        return os.path.samestat(path.stat(), os.fstat(descriptor))
    except FileNotFoundError:
        return False
