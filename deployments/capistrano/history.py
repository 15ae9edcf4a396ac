"""Capistrano's history, told by its revisions.log and the folders of releases on all hosts. Pure."""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

from deployments.capistrano.roots import Root

# en.capistrano.revision_log_message and rollback_log_message; Capistrano 3.0 wrote no revision
_DEPLOYED = re.compile(
    r"Branch (?P<ref>.*?)(?: \(at (?P<revision>[0-9a-f]*)\))? deployed as release (?P<name>\d{14}) by (?P<by>.*)"
)
_ROLLED_BACK = re.compile(r"(?P<by>.*) rolled back to release (?P<name>\d{14})")
_OURS = re.compile(
    r"\S+Z (\d{14}(-[0-9a-f]{7})?) [0-9a-f]{40} was \S+ deploy \d+ by .*|.* release \d{14}-[0-9a-f]{7}.*"
)
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")


@dataclass(frozen=True)
class Past:
    """A deploy, or the rollback to an earlier one. `timed`: the time is its own, not that of what came before it."""

    name: str
    at: datetime
    revision: str = ""
    ref: str = ""
    by: str = ""
    rollback: bool = False
    timed: bool = True
    hosts: tuple[str, ...] = ()
    line: str = ""


@dataclass
class History:
    """`past` from old to new; `disagreeing` releases have another revision on each host; `unread` lines say nothing."""

    past: list[Past] = field(default_factory=list)
    disagreeing: list[str] = field(default_factory=list)
    unread: list[str] = field(default_factory=list)


def tell(roots: Mapping[str, Root]) -> History:
    """One history of all hosts: what several of them tell of is one deploy."""
    history = History()
    found: dict[tuple[str, int, str], Past] = {}
    for host, root in roots.items():
        for key, past in _read_log(host, root, history.unread):
            found[key] = _joined(found.get(key), past)
    for host, root in roots.items():
        for name, revision in root.releases.items():
            _add_folder(found, history, host, name, revision)
    history.past = [found[key] for key in sorted(found)]
    _date_rollbacks(history.past, roots)
    return history


def rolled_back_from(past: Iterable[Past]) -> set[str]:
    """Releases that somebody went back from, and that have not served since."""
    bad: set[str] = set()
    live = ""
    for entry in past:
        if entry.rollback and live != entry.name:
            bad.add(live)
        live = entry.name
        bad.discard(live)
    return bad


def time_of(name: str) -> datetime | None:
    """The moment in a release's name, which Capistrano writes in UTC."""
    try:
        return datetime.strptime(name, "%Y%m%d%H%M%S").replace(tzinfo=UTC)
    except ValueError:
        return None


def _read_log(host: str, root: Root, unread: list[str]) -> Iterator[tuple[tuple[str, int, str], Past]]:
    """Entries with a key that is the same on every host: the deploy before, the place after it, the release."""
    before, place = "", 0
    for line in root.log:
        text = _CONTROL.sub(" ", line).strip()
        deployed, back = _DEPLOYED.fullmatch(text), _ROLLED_BACK.fullmatch(text)
        found = deployed or back
        at = time_of(found["name"]) if found else None
        if found is None or at is None:
            if text and not _OURS.fullmatch(text):
                unread.append(f"{host}: {text}")
            continue
        past = Past(found["name"], at, by=found["by"].strip(), hosts=(host,), line=text)
        if deployed:
            before, place = past.name, 0
            yield (before, 0, past.name), replace(past, revision=deployed["revision"] or "", ref=deployed["ref"])
        else:
            place += 1
            yield (before, place, past.name), replace(past, rollback=True, timed=False)


def _joined(one: Past | None, two: Past) -> Past:
    return replace(one, hosts=one.hosts + tuple(host for host in two.hosts if host not in one.hosts)) if one else two


def _add_folder(found: dict[tuple[str, int, str], Past], history: History, host: str, name: str, revision: str) -> None:
    """The folder is the truth about its revision; a release that no log tells of is told by its folder."""
    at = time_of(name)
    if at is None:
        return
    key = (name, 0, name)
    past = found.get(key, Past(name, at))
    if revision and past.revision and not _same(revision, past.revision):
        if name not in history.disagreeing:
            history.disagreeing.append(name)
        return
    hosts = past.hosts if host in past.hosts else (*past.hosts, host)
    found[key] = replace(past, hosts=hosts, revision=max(revision, past.revision, key=len))


def _same(one: str, two: str) -> bool:
    return one.startswith(two) or two.startswith(one)


def _date_rollbacks(past: list[Past], roots: Mapping[str, Root]) -> None:
    """The log has no time for a rollback: it is that of the entry before, but for the last, which made the link."""
    for at, entry in enumerate(past):
        if entry.rollback:
            past[at] = replace(entry, at=past[at - 1].at if at else entry.at)
    links = [root.since for root in roots.values() if past and root.current == past[-1].name and root.since]
    if past and past[-1].rollback and links and max(links) >= past[-1].at:
        past[-1] = replace(past[-1], at=max(links), timed=True)
