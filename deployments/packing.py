"""A tree as tar, and what hosts get of it: packed twice, with its manifest inside; and what differs between two trees.

PackingError
├── UnsafeMember    a member would lie, or lead, outside of the release
└── NotAnArchive    the bytes are no tar
"""

import hashlib
import io
import json
import tarfile
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path, PurePosixPath
from typing import IO, cast

import zstandard

from deployments import manifests
from deployments.host_values import Entry, Packed

MANIFEST = ".deployer-manifest"
_BLOCK = 1 << 18


class PackingError(Exception):
    """`str()` says what was wrong with which member."""


class UnsafeMember(PackingError):
    pass


class NotAnArchive(PackingError):
    pass


@dataclass(frozen=True)
class Fact:
    """A file or link of a tree: what must be equal for it to be the same. `what` is a sha256, or `-> ` and a target."""

    what: str
    mode: int
    size: int


@dataclass(frozen=True)
class Facts:
    """What is known of a packed tree without opening it. `total` is in bytes of files."""

    gz: Packed
    zst: Packed
    total: int
    files: dict[str, Fact]

    def write(self, path: Path) -> None:
        """Under its name at once, or not at all."""
        partial = path.with_suffix(".new")
        partial.write_text(json.dumps(asdict(self)))
        partial.replace(path)

    @classmethod
    def read(cls, path: Path) -> "Facts":
        """Raises OSError."""
        raw = json.loads(path.read_text())
        files = {name: Fact(**fact) for name, fact in raw["files"].items()}
        return cls(Packed(**raw["gz"]), Packed(**raw["zst"]), raw["total"], files)


def pack(plain: Path, *, gz: Path, zst: Path) -> Facts:
    """Pack a tar of safe members. Raises PackingError, host_values.InvalidValue."""
    files = dict(_facts(plain))
    text = manifests.manifest_of(_entry(path, fact) for path, fact in files.items())
    with tarfile.open(plain, "a") as tar:
        _add_text(tar, text)
    return Facts(
        gz=_write(gz, _gzipped(plain)),
        zst=_write(zst, _zstandard(plain)),
        total=sum(fact.size for fact in files.values()),
        files=files,
    )


def pack_changes(base: Facts, new: Facts, new_gz: Path, *, gz: Path) -> Packed:
    """A tar.gz of the members of `new` that `base` lacks or has otherwise, and of all folders."""
    if gz.exists():
        with gz.open("rb") as made:
            return Packed(_sha256(made), gz.stat().st_size)
    changed = {path for path, fact in new.files.items() if base.files.get(path) != fact}
    gone = [path for path in base.files if path not in new.files]
    plain = gz.with_suffix(".tar")
    with tarfile.open(new_gz) as whole, tarfile.open(plain, "w") as tar:
        for member in whole:
            if member.isdir() or member.name.removeprefix("./") in changed:
                tar.addfile(member, whole.extractfile(member) if member.isreg() else None)
        entries = (_entry(path, fact) for path, fact in new.files.items() if path in changed)
        _add_text(tar, manifests.changes_of(entries, gone))
    packed = _write(gz, _gzipped(plain))
    plain.unlink()
    return packed


def safe_tar(source: IO[bytes], plain: Path, *, limit: int) -> None:
    """Write the members of a tar stream as a plain tar that is the same for the same files, whoever packed them.

    `limit` is in bytes of files. Raises UnsafeMember, NotAnArchive.
    """
    total = 0
    kinds: dict[str, bool] = {}  # whether each place is a folder
    try:
        with tarfile.open(fileobj=source, mode="r|") as tar, tarfile.open(plain, "w") as out:
            for member in tar:
                total += member.size
                if total > limit:
                    raise UnsafeMember(f"Unpacked it has more than {limit} bytes, the most that is taken.")
                if _place(member.name) != ".":
                    _take_place(member, kinds)
                    _copy(tar, member, out)
    except (tarfile.TarError, EOFError, zlib.error, OSError, zstandard.ZstdError) as error:
        raise NotAnArchive(f"It cannot be read as a tar archive: {error}.") from error


def _copy(tar: tarfile.TarFile, member: tarfile.TarInfo, out: tarfile.TarFile) -> None:
    clean = tarfile.TarInfo(_place(member.name))
    clean.mtime, clean.mode = int(member.mtime), 0o755 if member.mode & 0o100 or member.isdir() else 0o644
    if member.isreg():
        clean.size = member.size
        out.addfile(clean, tar.extractfile(member))
        return
    clean.type = member.type
    if member.issym():
        clean.linkname = _target(member)
    elif not member.isdir():
        raise UnsafeMember(f"{member.name!r} is neither a file nor a folder nor a symbolic link.")
    out.addfile(clean)


def _take_place(member: tarfile.TarInfo, kinds: dict[str, bool]) -> None:
    """No member may stand where another does, or be written through one. Raises UnsafeMember."""
    place = PurePosixPath(_place(member.name))
    for above in place.parents:
        if not kinds.setdefault(str(above), True):
            raise UnsafeMember(f"{str(place)!r} lies below {str(above)!r}, which is no folder.")
    known = kinds.get(str(place))
    if known is False or (known and not member.isdir()):
        raise UnsafeMember(f"{str(place)!r} comes twice.")
    kinds[str(place)] = member.isdir()


def _place(name: str) -> str:
    """Where a member lies, relative to the release. Raises UnsafeMember."""
    path = PurePosixPath(name)
    if path.is_absolute() or ".." in path.parts or not name:
        raise UnsafeMember(f"{name!r} would lie outside of the release.")
    if str(path) == MANIFEST:
        raise UnsafeMember(f"{MANIFEST} is the Deployer's own name.")
    return str(path)


def _target(member: tarfile.TarInfo) -> str:
    """Where a link points, if that is inside. Raises UnsafeMember."""
    depth = len(PurePosixPath(_place(member.name)).parts) - 1
    for part in PurePosixPath(member.linkname).parts:
        depth += -1 if part == ".." else 1
        if depth < 0 or part == "/":
            raise UnsafeMember(f"{member.name!r} is a link to {member.linkname!r}, outside of the release.")
    return member.linkname


def _facts(plain: Path) -> Iterator[tuple[str, Fact]]:
    with tarfile.open(plain) as tar:
        for member in tar:
            path = member.name.removeprefix("./")
            if path == MANIFEST:
                raise UnsafeMember(f"{MANIFEST} is the Deployer's own name; the tree has a file of that name.")
            if member.issym():
                yield path, Fact(f"-> {member.linkname}", 0, 0)
            elif member.isreg():
                sha256 = _sha256(cast("IO[bytes]", tar.extractfile(member)))
                yield path, Fact(sha256, member.mode, member.size)


def _entry(path: str, fact: Fact) -> Entry:
    if fact.what.startswith("-> "):
        return Entry(path=path, link=fact.what[3:])
    return Entry(path=path, sha256=fact.what, size=fact.size)


def _add_text(tar: tarfile.TarFile, text: str) -> None:
    data = text.encode(errors="surrogateescape")
    info = tarfile.TarInfo(MANIFEST)
    info.size = len(data)
    tar.addfile(info, io.BytesIO(data))


def _write(path: Path, blocks: Iterable[bytes]) -> Packed:
    """Under its name at once, or not at all."""
    sha, size = hashlib.sha256(), 0
    partial = path.with_suffix(".partial")
    with partial.open("wb") as out:
        for block in blocks:
            sha.update(block)
            size += len(block)
            out.write(block)
    partial.replace(path)
    return Packed(sha.hexdigest(), size)


def _gzipped(plain: Path) -> Iterator[bytes]:
    """The same bytes for the same tree on every machine: a gzip header without name and time."""
    packer = zlib.compressobj(level=1, wbits=31)
    for block in _blocks(plain):
        yield packer.compress(block)
    yield packer.flush()


def _zstandard(plain: Path) -> Iterator[bytes]:
    packer = zstandard.ZstdCompressor(level=3).compressobj()
    for block in _blocks(plain):
        yield packer.compress(block)
    yield packer.flush()


def _blocks(path: Path) -> Iterator[bytes]:
    with path.open("rb") as source:
        while block := source.read(_BLOCK):
            yield block


def _sha256(source: IO[bytes]) -> str:
    sha = hashlib.sha256()
    while block := source.read(_BLOCK):
        sha.update(block)
    return sha.hexdigest()
