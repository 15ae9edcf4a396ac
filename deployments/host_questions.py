"""The programs that look at a host and write nothing, as text; what they answer are marks."""

from collections.abc import Iterable

from deployments.host_commands import command
from deployments.host_values import Place, relative


def observe_command(place: Place, *, nonce: str = "observation") -> str:
    """What is there: marks `current`, `revision`, `fence`, `release`, `program`, `tools`. Writes nothing."""
    return command("observe", place.root, nonce, place.path_words)


def look_command(roots: Iterable[str], path_prepend: Iterable[str], *, nonce: str) -> str:
    """What serves in each of these folders: marks `current NUMBER WORD NAME`, then `looked`. Writes nothing.

    WORD is `serves`, `folder` (`current` is no link) or `dangling` (it leads nowhere); NAME is `-` for nothing.
    """
    for root in roots:
        Place(root, "look")
    return command("look", nonce, ":".join(path_prepend), *roots)


def probe_command(place: Place, *, nonce: str = "observation") -> str:
    """May this folder hold a target? Marks `tools`, `missing`, `root`, `disk` (kB free, kB in all), `system`."""
    return command("probe", place.root, nonce, place.path_words)


def examine_command(place: Place, *, nonce: str, linked_files: Iterable[str] = ()) -> str:
    """The same, and what one wants to know before the first deploy. Writes nothing. Raises UnsafeText.

    Marks also `current`, `revision`, `fence`, `layout` (ours, capistrano, other or nothing; releases; whose), `sudo`
    (all, some, asks, none), `who`, `absent` (those of `linked_files` that are not there, with two slashes between
    them), and at the end `examined`.
    """
    return command(
        "examine",
        place.root,
        nonce,
        place.path_words,
        "//".join(relative("A linked folder or file", path) for path in linked_files),
    )


def capistrano_command(place: Place, *, nonce: str = "observation") -> str:
    """What Capistrano left there. Writes nothing.

    Marks `nothing`; or `owner` (a target of ours), `current` (name, epoch seconds) or `outside` (path), `release`
    (name, revision), `strange` (how many other entries), `lines` (of the log in all), `log` (its newest lines), `told`.
    """
    return command("capistrano", place.root, nonce, place.path_words)
