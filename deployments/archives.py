"""The archive of a revision: made once, streamed to every host that lacks it."""

import fcntl
import hashlib
import json
import os
import tarfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, cast

from django.conf import settings

from deployments import host_program
from environments import repositories
from environments.models import Application

KEPT = 20
_BLOCK = 1 << 18


class ArchiveFailed(Exception):
    """The archive of a revision could not be made; the text says why."""


@dataclass(frozen=True)
class Archive:
    path: Path
    sha256: str
    size: int
    manifest: str

    @property
    def source(self) -> host_program.ArchiveSource:
        return host_program.ArchiveSource(sha256=self.sha256, size=self.size, manifest=self.manifest)


def ensure_archive(application: Application, revision: str) -> Archive:
    """The archive of `revision`, made if this machine has none yet. Raises RepositoryError, ArchiveFailed."""
    folder = Path(settings.VAR) / "archives" / str(application.pk)
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    path, facts = folder / f"{revision}.tar.gz", folder / f"{revision}.json"
    with (folder / "lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not facts.exists():
            _make(application, revision, path, facts)
    return Archive(path, **json.loads(facts.read_text()))


def _make(application: Application, revision: str, path: Path, facts: Path) -> None:
    repositories.ensure_revision(application, revision)
    partial = path.with_suffix(".partial")
    sha, size = hashlib.sha256(), 0
    with repositories.tar_of(application, revision) as git, partial.open("wb") as out:
        assert git.stdout is not None
        assert git.stderr is not None
        plain = path.with_suffix(".tar")
        with plain.open("wb") as spool:
            while block := git.stdout.read(_BLOCK):
                spool.write(block)
        said = git.stderr.read().decode(errors="replace").strip()
        if git.wait() != 0:
            raise ArchiveFailed(f"git could not archive {revision[:7]} of {application.name}: {said}")
        for block in _gzipped(plain):
            sha.update(block)
            size += len(block)
            out.write(block)
    manifest = host_program.manifest_of(_entries(plain))
    plain.unlink()
    os.replace(partial, path)
    text = json.dumps({"sha256": sha.hexdigest(), "size": size, "manifest": manifest})
    facts.with_suffix(".new").write_text(text)
    os.replace(facts.with_suffix(".new"), facts)
    _prune(path.parent)


def _prune(folder: Path) -> None:
    """Old archives go; one that is wanted again is made again."""
    by_age = sorted(folder.glob("*.json"), key=lambda facts: facts.stat().st_mtime, reverse=True)
    for facts in by_age[KEPT:]:
        facts.unlink()
        facts.with_suffix(".tar.gz").unlink(missing_ok=True)


def _gzipped(plain: Path) -> Iterator[bytes]:
    """The same bytes for the same tree on every machine: a gzip header without name and time."""
    packer = zlib.compressobj(level=1, wbits=31)
    with plain.open("rb") as source:
        while block := source.read(_BLOCK):
            yield packer.compress(block)
    yield packer.flush()


def _entries(plain: Path) -> Iterator[host_program.Entry]:
    with tarfile.open(plain) as tar:
        for member in tar:
            if member.issym():
                yield host_program.Entry(path=member.name, link=member.linkname)
            elif member.isreg():
                yield host_program.Entry(
                    path=member.name, sha256=_sha256(cast("IO[bytes]", tar.extractfile(member))), size=member.size
                )


def _sha256(source: IO[bytes]) -> str:
    sha = hashlib.sha256()
    while block := source.read(_BLOCK):
        sha.update(block)
    return sha.hexdigest()
