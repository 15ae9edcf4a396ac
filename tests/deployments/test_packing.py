"""Archives from outside: what they hold lies inside the release, whoever packed them."""

import io
import tarfile
from pathlib import Path

import pytest

from deployments.packing import NotAnArchive, PackingError, UnsafeMember, pack, safe_tar

LIMIT = 1 << 20


def member(name: str, kind: bytes = tarfile.REGTYPE, target: str = "", size: int = 0) -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.linkname, info.size = kind, target, size
    return info


def tar_of(*members: tarfile.TarInfo) -> io.BytesIO:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        for info in members:
            tar.addfile(info, io.BytesIO(b"x" * info.size))
    out.seek(0)
    return out


@pytest.mark.parametrize(
    "info",
    [
        member("/etc/passwd"),
        member("../x"),
        member("a/../../x"),
        member("a/.."),
        member("evil", tarfile.SYMTYPE, "/etc"),
        member("evil", tarfile.SYMTYPE, "../x"),
        member("a/evil", tarfile.SYMTYPE, "../../x"),
        member("a/evil", tarfile.SYMTYPE, "b/../../../a"),
        member("evil", tarfile.LNKTYPE, "other"),
        member("evil", tarfile.CHRTYPE),
        member("evil", tarfile.BLKTYPE),
        member("evil", tarfile.FIFOTYPE),
        member(".deployer-manifest"),
        member("./.deployer-manifest"),
    ],
    ids=lambda info: f"{info.name} {info.type.decode()} {info.linkname}",
)
def test_what_would_lie_or_lead_outside_is_refused(info: tarfile.TarInfo, tmp_path: Path) -> None:
    with pytest.raises(UnsafeMember):
        safe_tar(tar_of(member("good", size=1), info), tmp_path / "plain.tar", limit=LIMIT)


def test_a_file_below_a_link_is_refused(tmp_path: Path) -> None:
    """The link leads inside, so it is taken; a file that would be written through it is not."""
    through = tar_of(member("b"), member("a", tarfile.SYMTYPE, "b"), member("a/x", size=1))
    with pytest.raises(UnsafeMember, match="'a/x' lies below 'a', which is no folder"):
        safe_tar(through, tmp_path / "plain.tar", limit=LIMIT)


def test_a_name_that_comes_twice_is_refused(tmp_path: Path) -> None:
    twice = tar_of(member("a", tarfile.SYMTYPE, "b"), member("./a", size=1))
    with pytest.raises(UnsafeMember, match="'a' comes twice"):
        safe_tar(twice, tmp_path / "plain.tar", limit=LIMIT)


def test_more_than_the_limit_is_refused(tmp_path: Path) -> None:
    with pytest.raises(PackingError, match="more than 1048576 bytes"):
        safe_tar(tar_of(member("a", size=LIMIT), member("b", size=1)), tmp_path / "plain.tar", limit=LIMIT)


@pytest.mark.parametrize("data", [b"", b"<html>Not found</html>" * 100, b"\x1f\x8b broken"])
def test_what_is_no_tar_is_told_so(data: bytes, tmp_path: Path) -> None:
    with pytest.raises(NotAnArchive, match="cannot be read as a tar archive"):
        safe_tar(io.BytesIO(data), tmp_path / "plain.tar", limit=LIMIT)


def test_an_archive_that_was_cut_is_told_so(tmp_path: Path) -> None:
    whole = tar_of(member("a", size=5000)).getvalue()
    with pytest.raises(NotAnArchive):
        safe_tar(io.BytesIO(whole[:3000]), tmp_path / "plain.tar", limit=LIMIT)


def test_usual_members_stay_as_they_are(tmp_path: Path) -> None:
    runs = member("./bin/run", size=2)
    runs.mode = 0o4775
    source = tar_of(
        member("./", tarfile.DIRTYPE), member("bin", tarfile.DIRTYPE), runs, member("l", tarfile.SYMTYPE, "bin/run")
    )
    plain = tmp_path / "plain.tar"
    safe_tar(source, plain, limit=LIMIT)
    with tarfile.open(plain) as tar:
        assert [(info.name, oct(info.mode), info.linkname) for info in tar] == [
            ("bin", "0o755", ""),
            ("bin/run", "0o755", ""),
            ("l", "0o644", "bin/run"),
        ]
    facts = pack(plain, gz=tmp_path / "a.tar.gz", zst=tmp_path / "a.tar.zst")
    assert facts.total == 2
    assert set(facts.files) == {"bin/run", "l"}
