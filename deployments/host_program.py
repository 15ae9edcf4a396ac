"""How programs on hosts are begun and talked to, as text: typed values in, POSIX sh out. Nothing here touches a host.

Durable programs (prepare, once, finish): the worker executes `start_command`, writes `program_message`, after `need`
what `wanted` makes of it, and reads marks (`parse_mark`). After `started` or `attached` come the spool's bytes from the
offset on; from then on the worker may write `stored` (forget the spool) or `stop` (end the running step).
The switch waits after `armed` for the one word `flip`. `docs/host.md` tells what happens on the host.
"""

from dataclasses import dataclass

from deployments.host_commands import command, quick_command
from deployments.host_values import ArchiveSource, Call, Mark, Packed, Place, Release, check_call, checked, one_line


def parse_mark(line: bytes, nonce: str) -> Mark | None:
    """The mark in a line, if any; it may begin in mid-line, after output without an end of line."""
    _, sign, text = line.rpartition(b"\x1e" + nonce.encode() + b" ")
    if not sign or not text.endswith(b"\n"):
        return None
    word, _, args = text[:-1].decode(errors="backslashreplace").partition(" ")
    return Mark(word, args)


def start_command(call: Call) -> str:
    """Starts the program that follows on standard input, once; attaches to it if it was started before."""
    place = call.place
    whole, zst, base, changes = _bulk(call.archive)
    return quick_command(
        place.path_words, "start", place.root, place.target, call.name, str(call.fence), str(call.offset), call.nonce,
        *whole, place.umask, *zst, base, *changes,
    )  # fmt: skip


def _bulk(source: ArchiveSource | None) -> tuple[tuple[str, str], tuple[str, str], str, tuple[str, str]]:
    def words(packed: Packed | None) -> tuple[str, str]:
        return (packed.sha256, str(packed.size)) if packed else ("-", "0")

    changes = source.changes if source else None
    whole, zst = (source.gz, source.zst) if source else (None, None)
    return words(whole), words(zst), changes.base if changes else "-", words(changes.packed if changes else None)


@dataclass(frozen=True)
class Wanted:
    """What a host asks for: `what` (archive, changes) in a packing; it holds `got` bytes already, with that sha256."""

    what: str
    packing: str
    got: int
    sha256: str


def wanted(mark: Mark) -> Wanted:
    """What a mark `need` asks for. The answer is `upload_from` and the bytes from there on."""
    what, packing, got, sha256 = mark.args.split(" ")
    return Wanted(what, packing, int(got), sha256)


def upload_from(offset: int) -> str:
    return f"{offset}\n"


def program_message(text: str, nonce: str) -> bytes:
    """A program as it travels on standard input."""
    data = text.encode()
    return f"{nonce} {len(data)}\n".encode() + data


def switch_command(
    place: Place, *, name: str, fence: int, nonce: str, release: Release, seconds: int = 10, quiet: int = 0
) -> str:
    """Arms a host and waits `seconds` for the word `flip`; the answer to it may come `quiet` milliseconds later."""
    check_call(name, nonce, fence)
    return quick_command(
        place.path_words, "switch", place.root, place.target, name, str(fence), nonce, release.name, release.revision,
        str(release.number), one_line(release.by), str(seconds), str(quiet),
    )  # fmt: skip


def remove_command(place: Place, *, folder: str, endpoint: str, fence: int, nonce: str) -> str:
    """Removes an endpoint's root, `…/folder/endpoint`, and refuses what is not exactly that; once more is harmless.

    Marks `gone`, or `refused` as a program is, or with `running` and the processes that are still there.
    """
    check_call("remove", nonce, fence)
    checked("name of an endpoint", endpoint, r"[a-z0-9-]+")
    words = (place.root, place.target, str(fence), nonce, place.path_words, folder, endpoint)
    return command("remove", *words)


def leave_command(place: Place, *, fence: int, nonce: str) -> str:
    """Leaves the folder to Capistrano; once more is harmless.

    Marks `kept`, `renamed` (from, to), `removed`, `mirror` (kept or removed), `rest` (what could not be removed),
    `left` (what serves). Refused like a program.
    """
    check_call("leave", nonce, fence)
    return command("leave", place.root, place.target, str(fence), nonce, place.path_words)
