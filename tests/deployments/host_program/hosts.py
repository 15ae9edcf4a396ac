"""Hosts for tests of host programs: this machine, with the tools of other systems, by pipes instead of SSH."""

import fcntl
import gzip
import hashlib
import io
import os
import select
import shutil
import subprocess
import tarfile
import time
from dataclasses import dataclass, field
from pathlib import Path

import zstandard

from deployments.host_program import parse_mark, program_message, start_command, switch_command, upload_from, wanted
from deployments.host_values import ArchiveSource, Call, Changes, Entry, HostStep, Mark, Packed, Place, Release
from deployments.manifests import changes_of, manifest_of
from deployments.program_texts import prepare_program

NONCE = "n0nce5eed"
DEADLINE = 90.0
_POSIX = """
awk cat chmod cut date df dirname env find grep gzip head id kill ln ls mkdir mv printf ps rm rmdir sed sleep sort tail
tar test touch tr true uname wc
"""
# FreeBSD's and older macOS's: a link to a folder is followed, and -T is unknown.
_MV = """#!/bin/sh
case $1 in --* | -*T*) echo "usage: mv [-f | -i | -n] [-hv] source target" >&2; exit 64;; esac
exec /bin/mv "$@"
"""


def make_tools(folder: Path, kind: str) -> str:
    """A folder of tools as another system has them; what PATH is on a host of that kind."""
    if kind in {"dash", "bash"}:
        folder.mkdir()
        (folder / "sh").symlink_to(f"/bin/{kind}")
        return f"{folder}:/usr/bin:/bin"
    folder.mkdir()
    if kind == "busybox":
        busybox = shutil.which("busybox")
        assert busybox, "busybox is not installed"
        for applet in subprocess.check_output([busybox, "--list"], text=True).split():
            (folder / applet).symlink_to(busybox)
        # Debian leaves this applet out; Alpine's has the same options that are used here.
        if not (folder / "flock").exists():
            (folder / "flock").symlink_to("/usr/bin/flock")
        return str(folder)
    own = {"perl": ["perl"], "plain": ["flock", "setsid", "sha256sum", "readlink", "stat"]}[kind]
    (folder / "sh").symlink_to("/bin/dash")
    for tool in [*_POSIX.split(), *own]:
        found = shutil.which(tool)
        assert found, f"{tool} is not installed"
        (folder / tool).symlink_to(found)
    if kind == "plain":
        return str(folder)
    (folder / "mv").unlink()
    (folder / "mv").write_text(_MV)
    (folder / "mv").chmod(0o755)
    return str(folder)


def release(number: int = 1, revision: str = "a" * 40, *, by: str = "Ada Lovelace") -> Release:
    return Release(f"202611220900{number:02d}-{revision[:7]}", revision, number, by)


@dataclass
class Tree:
    """A tree of files (text) and links (text that begins with "-> ") as hosts get it: what they may ask for."""

    source: ArchiveSource
    data: dict[tuple[str, str], bytes]
    files: dict[str, str]

    @property
    def gz(self) -> bytes:
        return self.data["archive", "gz"]


def tree(files: dict[str, str], *, manifest: str | None = None, base: Tree | None = None, zst: bool = False) -> Tree:
    """With `base`, also what differs from it."""
    text = manifest_of(entries_of(files)) if manifest is None else manifest
    data = {("archive", "gz"): packed(files, text)}
    if zst:
        data["archive", "zst"] = zstandard.compress(gzip.decompress(data["archive", "gz"]))
    changes = None
    if base is not None:
        differing = {name: text for name, text in files.items() if base.files.get(name) != text}
        gone = [name for name in base.files if name not in files]
        data["changes", "gz"] = packed(differing, changes_of(entries_of(differing), gone))
        changes = Changes(base.source.gz.sha256, facts_of(data["changes", "gz"]))
    total = sum(len(text.encode()) for text in files.values())
    packings = facts_of(data["archive", "gz"]), facts_of(data["archive", "zst"]) if zst else None
    return Tree(ArchiveSource(packings[0], total, packings[1], changes), data, files)


def facts_of(data: bytes) -> Packed:
    return Packed(hashlib.sha256(data).hexdigest(), len(data))


def entries_of(files: dict[str, str]) -> list[Entry]:
    return [
        Entry(path=name, link=text[3:])
        if text.startswith("-> ")
        else Entry(path=name, sha256=hashlib.sha256(text.encode()).hexdigest(), size=len(text.encode()))
        for name, text in files.items()
    ]


def packed(files: dict[str, str], manifest: str, *, owner: int = 0) -> bytes:
    """A tar.gz of files and their manifest."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:gz") as tar:
        for name, text in [*files.items(), (".deployer-manifest", manifest)]:
            info, data = tarfile.TarInfo(name), text.encode()
            info.mode = 0o755 if name.endswith(".sh") else 0o644
            if text.startswith("-> "):
                info.type, info.linkname, data = tarfile.SYMTYPE, text[3:], b""
            info.size, info.uid, info.gid = len(data), owner, owner
            tar.addfile(info, io.BytesIO(data))
    return out.getvalue()


def prepare(host: "Host", to: Release, held: Tree, *commands: str, limit: int = 60, silence: int = 0) -> str:
    """A program that lays an archive out and runs steps in it."""
    steps = [HostStep(f"step {n}", command, limit, silence) for n, command in enumerate(commands, 1)]
    return prepare_program(host.place, to, held.source, [], [], steps, {})


class Channel:
    """One exec channel: a process with pipes, read with a deadline."""

    def __init__(self, command: str, path: str, *, shell: str = "sh", nonce: str = NONCE) -> None:
        environment = {"PATH": path, "HOME": "/tmp", "LANG": "C.UTF-8", "HOST_TEST": "yes"}
        executable = shutil.which(shell, path=path)
        assert executable
        self.nonce = nonce
        self.data = b""
        self.process = subprocess.Popen(
            [executable, "-c", command], executable=executable, env=environment, cwd="/", stdin=subprocess.PIPE,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, bufsize=0, start_new_session=True,
        )  # fmt: skip

    def send(self, data: str | bytes) -> None:
        assert self.process.stdin
        view = memoryview(data.encode() if isinstance(data, str) else data)
        try:
            while view:
                view = view[self.process.stdin.write(view) or 0 :]
        except BrokenPipeError:
            pass

    def read_some(self, deadline: float) -> bool:
        """False at the end of the output."""
        assert self.process.stdout
        ready, _, _ = select.select([self.process.stdout], [], [], max(0.0, deadline - time.monotonic()))
        assert ready, f"nothing more came in time; so far: {self.data[-3000:]!r}"
        more = os.read(self.process.stdout.fileno(), 1 << 16)
        self.data += more
        return bool(more)

    def marks(self) -> list[Mark]:
        found = (parse_mark(line + b"\n", self.nonce) for line in self.data.split(b"\n")[:-1])
        return [mark for mark in found if mark]

    def wait_for(self, *words: str, seconds: float = DEADLINE) -> Mark:
        deadline = time.monotonic() + seconds
        while True:
            for mark in self.marks():
                if mark.word in words:
                    return mark
            assert self.read_some(deadline), f"ended without {words}: {self.data.decode(errors='replace')}"

    def wait_text(self, text: bytes, seconds: float = DEADLINE) -> None:
        deadline = time.monotonic() + seconds
        while text not in self.data:
            assert self.read_some(deadline), f"ended without {text!r}: {self.data!r}"

    def to_end(self, seconds: float = DEADLINE) -> list[Mark]:
        deadline = time.monotonic() + seconds
        while self.read_some(deadline):
            pass
        self.process.wait(timeout=DEADLINE)
        return self.marks()

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()
        for pipe in (self.process.stdin, self.process.stdout):
            if pipe:
                pipe.close()

    def close_input(self) -> None:
        assert self.process.stdin
        self.process.stdin.close()

    def close(self) -> list[Mark]:
        self.close_input()
        return self.to_end()


def answer(asked: Mark, archive: Tree) -> bytes:
    """What a worker sends to a host that says `need`."""
    need = wanted(asked)
    data = archive.data[need.what, need.packing]
    start = need.got if hashlib.sha256(data[: need.got]).hexdigest() == need.sha256 else 0
    return upload_from(start).encode() + data[start:]


@dataclass
class Host:
    place: Place
    path: str
    kind: str
    channels: list[Channel] = field(default_factory=list)

    @property
    def root(self) -> Path:
        return Path(self.place.root)

    @property
    def state(self) -> Path:
        return self.root / ".deployer"

    def run(self, command: str) -> Channel:
        channel = Channel(command, self.path)
        self.channels.append(channel)
        return channel

    def start(
        self, program: str, *, name: str = "d1-prepare-1", fence: int = 1, offset: int = 0, archive: Tree | None = None
    ) -> Channel:
        """Up to `started`, `attached`, `done` or a refusal."""
        call = Call(self.place, name, fence, NONCE, offset, archive.source if archive else None)
        channel = self.run(start_command(call))
        channel.send(program_message(program, NONCE))
        asked = channel.wait_for("need", "have", "started", "attached", "done", "refused")
        if asked.word == "need":
            assert archive
            channel.send(answer(asked, archive))
        channel.wait_for("started", "attached", "done", "refused")
        return channel

    def run_program(
        self, program: str, *, name: str = "d1-prepare-1", fence: int = 1, archive: Tree | None = None
    ) -> Channel:
        """To its end, and its spool forgotten; after its last word it tidies up, so that is waited for."""
        channel = self.start(program, name=name, fence=fence, archive=archive)
        channel.wait_for("end", "refused", "done")
        channel.send("stored\n")
        channel.to_end()
        give_up = time.monotonic() + DEADLINE
        while self._runs(name) and time.monotonic() < give_up:
            time.sleep(0.02)
        return channel

    def _runs(self, name: str) -> bool:
        """The program's runner still holds its lock."""
        alive = self.state / "programs" / name / "alive"
        if not alive.exists():
            return False
        with alive.open() as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except BlockingIOError:
                return True
        return False

    def arm(self, to: Release, *, name: str = "d1-switch-1", fence: int = 1, seconds: int = 60) -> Channel:
        return self.run(switch_command(self.place, name=name, fence=fence, nonce=NONCE, release=to, seconds=seconds))

    def switch(self, to: Release, *, fence: int = 1) -> None:
        channel = self.arm(to, fence=fence)
        channel.wait_for("armed")
        channel.send("flip\n")
        channel.wait_for("switched")
        channel.to_end()

    @property
    def gate(self) -> str:
        """A command for a step: it goes on when `open_gate` is called."""
        return "until [ -e ../../../go ]; do sleep 0.05; done"

    def open_gate(self) -> None:
        (self.root.parent / "go").touch()

    def live(self) -> str:
        return os.readlink(self.root / "current") if os.path.lexists(self.root / "current") else ""
