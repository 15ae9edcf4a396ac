"""What would change if a source were followed, and whether that would do harm. Pure."""

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from environments.sources.listing import Found, Wrong

TOLD_NAMES = 5


@dataclass(frozen=True)
class Known:
    """A host that the source has named before. `own`: the source made it, so that it says where it is; what others
    say is None here: `user` and `zone` unless it is own, `roles` and `labels` unless the source put it there.
    """

    key: str
    host: int
    name: str
    address: str
    port: int
    own: bool = True
    user: str | None = ""
    roles: tuple[str, ...] | None = ()
    labels: tuple[tuple[str, str], ...] | None = ()
    zone: str | None = None
    host_keys: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Change:
    known: Known
    found: Found
    words: tuple[str, ...]


@dataclass(frozen=True)
class Difference:
    """`gone` are named no more; `stuck` are elsewhere now, which is not this source's to say."""

    new: tuple[Found, ...] = ()
    changed: tuple[Change, ...] = ()
    same: int = 0
    gone: tuple[Known, ...] = ()
    stuck: tuple[Change, ...] = ()

    @property
    def known(self) -> int:
        return len(self.changed) + self.same + len(self.gone) + len(self.stuck)

    @property
    def removal(self) -> str:
        """A word for exactly these hosts: whoever has seen them accepts no others. "" for none."""
        return removal_of((known.host, known.name) for known in self.gone)


def removal_of(hosts: Iterable[tuple[int, str]]) -> str:
    """The word of hosts, by id and name, that leave."""
    names = "\n".join(sorted(f"{pk} {name}" for pk, name in hosts))
    return hashlib.sha256(names.encode()).hexdigest()[:20] if names else ""


def compare(known: Sequence[Known], found: Sequence[Found], *, trusted: bool) -> Difference:
    """By the source's own words for hosts; one that has a new word at an old address is the same host."""
    by_key = {one.key: one for one in known}
    pairs = [(by_key.pop(host.key, None), host) for host in found]
    by_place = {(one.address, one.port): one for one in by_key.values()}
    new, changed, stuck, same = list[Found](), list[Change](), list[Change](), 0
    for before, host in pairs:
        one = before or by_place.pop((host.address, host.port), None)
        if one is None:
            new.append(host)
            continue
        by_key.pop(one.key, None)
        words = _words(one, host, trusted)
        if not one.own and (one.address, one.port) != (host.address, host.port):
            stuck.append(Change(one, host, words))
        elif words or one.key != host.key:
            changed.append(Change(one, host, words or (f"called {host.key} there",)))
        else:
            same += 1
    return Difference(tuple(new), tuple(changed), same, tuple(by_key.values()), tuple(stuck))


def _words(known: Known, found: Found, trusted: bool) -> tuple[str, ...]:
    words = []
    if (known.address, known.port) != (found.address, found.port):
        words.append(f"{known.address}:{known.port} → {found.address}:{found.port}")
    if known.user is not None and found.user and known.user != found.user:
        words.append(f"user {known.user or 'nobody'} → {found.user}")
    if known.roles is not None and set(known.roles) != set(found.roles):
        words.append(f"roles {', '.join(known.roles) or 'none'} → {', '.join(found.roles) or 'none'}")
    if known.labels is not None and dict(known.labels) != dict(found.labels):
        words.append(f"labels {_told(known.labels)} → {_told(found.labels)}")
    if known.zone is not None and found.zone and known.zone != found.zone:
        words.append(f"place {known.zone or 'none'} → {found.zone}")
    if trusted and (more := len({key.key for key in found.host_keys} - known.host_keys)):
        words.append(f"{more} new host key{'' if more == 1 else 's'}")
    return tuple(words)


def _told(labels: Iterable[tuple[str, str]]) -> str:
    return ", ".join(f"{name}={value}" for name, value in labels) or "none"


def harm(difference: Difference, *, share: int, wrong: Sequence[Wrong]) -> str:
    """Why following it would do harm, as a sentence; "" if it would not."""
    gone, known = len(difference.gone), difference.known
    if not gone:
        return ""
    names = ", ".join(one.name for one in difference.gone[:TOLD_NAMES])
    more = f" and {gone - TOLD_NAMES} more" if gone > TOLD_NAMES else ""
    if wrong:
        return (
            f"It no longer names {names}{more}, and {len(wrong)} of its entries cannot be understood, among which "
            "they may be. Nothing was removed."
        )
    if gone == known:
        return f"It names none of its {known} hosts any more. Nothing was removed."
    if gone * 100 > share * known:
        return (
            f"It no longer names {gone} of its {known} hosts ({names}{more}); more than {share} % may not leave at "
            "once. Nothing was removed."
        )
    return ""
