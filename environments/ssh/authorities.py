"""Which authorities may speak for a host; asked once for all hosts of a deploy, not for each."""

import threading
import time
from collections.abc import Collection

from environments.models import Host, HostAuthority
from environments.ssh.certificates import Authority

SECONDS = 2.0  # within which each process has heard that one is no longer trusted

_lock = threading.Lock()
_known: list[Authority] = []
_asked_at = -SECONDS


def names_of(host: Host) -> set[str]:
    """What its certificate may be for: its address, or the name that it has here."""
    return {host.address.lower(), host.name}


def _spoken_of(host: Host) -> set[str]:
    """What patterns may mean it by."""
    return names_of(host) | ({f"[{host.address.lower()}]:{host.port}"} if host.port != 22 else set())


def of(host: Host) -> list[Authority]:
    """Those that may speak for it."""
    return [one for one in _read() if one.covers(_spoken_of(host))]


def covers(host: Host) -> bool:
    """Whether it may be spoken to by virtue of a certificate."""
    return bool(of(host))


def forget() -> None:
    """Something has changed: ask again at the next need."""
    global _asked_at  # noqa: PLW0603 - one memory for each process
    with _lock:
        _asked_at = -SECONDS


def _read() -> Collection[Authority]:
    global _known, _asked_at  # noqa: PLW0603 - one memory for each process
    with _lock:
        if time.monotonic() - _asked_at >= SECONDS:
            rows = HostAuthority.objects.values_list("patterns", "key")
            _known = [Authority(tuple(patterns.split(",")), key) for patterns, key in rows]
            _asked_at = time.monotonic()
        return _known
