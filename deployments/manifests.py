"""What a tree must be once it is laid out, as text that a host compares with what lies there."""

from collections.abc import Iterable

from deployments.host_values import Entry, InvalidValue, checked


def manifest_of(entries: Iterable[Entry]) -> str:
    """What the tree must be: sha256sum's lines for files, two lines for a link, and the total of bytes.

    Raises InvalidValue for a name that no such line can hold.
    """
    lines, total = [], 0
    for entry in entries:
        path = _one_name(entry.path)
        _one_name(entry.link or "-")
        if entry.link is None:
            lines.append(f"{checked('sha256', entry.sha256, r'[0-9a-f]{64}')}  ./{path}")
        else:
            lines += [f"link ./{path}", f"to {entry.link}"]
        total += entry.size
    return "".join(f"{line}\n" for line in [*lines, f"total {total}"])


def changes_of(entries: Iterable[Entry], gone: Iterable[str]) -> str:
    """The same for what differs from another tree, and the paths of it that are no more."""
    return "".join(f"gone ./{_one_name(path)}\n" for path in gone) + manifest_of(entries)


def _one_name(text: str) -> str:
    if "\n" in text or "\0" in text:
        raise InvalidValue(f"A file name with a line break cannot be deployed as an archive: {text!r}.")
    return text.removeprefix("./")
