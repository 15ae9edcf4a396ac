"""Is there room on the Deployer's own disk? Its database, repositories and archives grow with every deploy."""

import shutil
from dataclasses import dataclass
from pathlib import Path

from django.conf import settings

FULL_PERCENT = 90
ROOMY_BYTES = 10 * 1024**3  # a tenth of a large disk is room enough


@dataclass(frozen=True)
class Disk:
    """`free` and `total` in bytes."""

    free: int
    total: int

    @property
    def percent(self) -> int:
        """How full it is; what is reserved for root counts as used."""
        return 100 - self.free * 100 // self.total if self.total else 0

    @property
    def full(self) -> bool:
        return self.percent >= FULL_PERCENT and self.free < ROOMY_BYTES


def look() -> Disk:
    place = Path(settings.VAR).absolute()
    while not place.exists():  # before the first start; what it will lie on is what counts
        place = place.parent
    usage = shutil.disk_usage(place)
    return Disk(usage.free, usage.total)


def why_full() -> str:
    """Why nothing new is started, in a sentence; "" if there is room."""
    disk = look()
    if not disk.full:
        return ""
    return (
        f"The Deployer's own disk is {disk.percent} % full: {disk.free // 2**20} MB are free in {settings.VAR}. "
        "New deploys wait until there is room, for their logs could not be kept; rollbacks are still possible."
    )
