"""A window of a log by place: what a page needs of a million lines is what can be seen of them."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from django.db.models import F, Sum, Window

from deployments import log
from deployments.log import Line
from deployments.models import Deploy, LogChunk

MOST_LINES = 1000
MOST_CHARACTERS = 1_000_000  # a window ends early rather than hold more; one line is always in it


@dataclass(frozen=True)
class LogWindow:
    """Lines from place `at` on, counted from 0, of `total` that the log has (or that one host has in it)."""

    total: int
    at: int
    lines: list[Line]


def read_window(
    deploy_id: int, *, host: str = "", at: int | None = None, n: int | None = None, most: int = MOST_LINES
) -> LogWindow:
    """The lines from place `at` on; or around line `n`; or the last ones. Of all hosts, or of `host`."""
    total = count_lines(deploy_id, host)
    last = max(0, total - most)
    if at is None:
        at = last if n is None else max(0, min(place_of(deploy_id, n, host) - most // 2, last))
    lines = _from_place(deploy_id, at, host) if host else log.read_all(deploy_id, at + 1)
    return LogWindow(total, at, list(_bounded(lines, most)) if at < total else [])


def count_lines(deploy_id: int, host: str = "") -> int:
    """How many lines are stored, of all hosts or of one."""
    if not host:
        return Deploy.objects.filter(pk=deploy_id).values_list("lines", flat=True).first() or 0
    chunks = LogChunk.objects.filter(deploy_id=deploy_id, host_name=host)
    total: int | None = chunks.aggregate(total=Sum(F("last_n") - F("first_n") + 1))["total"]
    return total or 0


def place_of(deploy_id: int, n: int, host: str = "") -> int:
    """How many lines stand before line `n`, of all hosts or of one."""
    if not host:
        return max(0, n - 1)
    chunks = LogChunk.objects.filter(deploy_id=deploy_id, host_name=host, first_n__lt=n)
    before = 0
    for first, last in chunks.values_list("first_n", "last_n").iterator():
        before += min(last + 1, n) - first
    return before


def _from_place(deploy_id: int, at: int, host: str) -> Iterator[Line]:
    """Lines of one host: its chunks are counted in the database, and read from the one that holds the place."""
    chunks = LogChunk.objects.filter(deploy_id=deploy_id, host_name=host).order_by("first_n")
    counted = chunks.annotate(upto=Window(Sum(F("last_n") - F("first_n") + 1), order_by="first_n"))
    found = counted.filter(upto__gt=at).values_list("last_n", "upto").order_by("first_n").first()
    if found is None:
        return iter(())
    last_n, upto = found
    return log.read_all(deploy_id, last_n - (upto - at) + 1, host=host)


def _bounded(lines: Iterable[Line], most: int) -> Iterator[Line]:
    size = 0
    for count, line in enumerate(lines, 1):
        size += len(line.text)
        if size > MOST_CHARACTERS and count > 1:
            return
        yield line
        if count == most:
            return
