"""R19: the disk of the Deployer itself is full: nothing new begins, what runs ends truthfully, and room helps at once.

Needs root. A SQLite database lies on that disk too: with no byte left nothing can be stored, and what runs ends once
there is room. With PostgreSQL elsewhere it ends meanwhile.
"""

import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from django.conf import settings
from django.db import connection

from deployments import own_disk
from deployments.blockers import Blocked
from tests.chaos.cluster import Cluster, await_ends
from tests.chaos.counted import COUNTED_STEPS, counted_step
from tests.chaos.truth import check_true_end
from tests.deployments.ended import request
from tests.patience import within

MEGABYTE = 1 << 20
SIZE = 200 * MEGABYTE
FULL_SECONDS = 15.0

pytestmark = [pytest.mark.both_databases, pytest.mark.django_db(transaction=True)]


@pytest.fixture
def small_var(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """VAR is a disk of 200 MB."""
    assert os.getuid() == 0, "A disk of its own needs root."
    var = tmp_path / "var"
    var.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={SIZE}", "tmpfs", var], check=True)
    shutil.copytree(settings.VAR, var, dirs_exist_ok=True)
    monkeypatch.setattr(settings, "VAR", var)
    facts, name = connection.settings_dict, connection.settings_dict["NAME"]
    if connection.vendor == "sqlite":
        connection.close()
        facts["NAME"] = shutil.copy(name, var / "test.sqlite3")
    yield var
    connection.close()
    facts["NAME"] = name
    subprocess.run(["umount", "-l", var], check=True)


def _fill(var: Path, percent: int) -> None:
    """Up to so many of a hundred parts; 100: to the last byte."""
    filler = var / "filler"
    with suppress(OSError), filler.open("ab", buffering=0) as file:
        while percent == 100 or own_disk.look().percent < percent:
            file.write(b"x" * 65536)


def test_r19_new_deploys_wait_and_what_runs_ends_truthfully(cluster: Cluster, small_var: Path) -> None:
    long_steps = (counted_step("build", lines=60, pause=0.2), *COUNTED_STEPS[1:])
    (place,) = cluster.places(1, steps=long_steps)
    cluster.start(2)
    running = request(place, "v1")
    within(lambda: all((root / "marks").exists() for root in place.roots()), 60, "the step")
    _fill(small_var, 91)
    with pytest.raises(Blocked, match=r"own disk is 9\d % full"):
        request(place)
    waits = request(place, wait=True)
    _fill(small_var, 100)
    if connection.vendor == "sqlite":
        time.sleep(FULL_SECONDS)
    else:
        await_ends([running], 90)
    (small_var / "filler").unlink()
    freed = time.monotonic()
    await_ends([running, waits], 120)
    for deploy in (running, waits):
        assert deploy.status == "succeeded", deploy.reason
        check_true_end(place, deploy)
    took = time.monotonic() - freed
    assert waits.number > running.number
    print(f"R19: at 91 % a new deploy waited, and no byte was left for a running one: both over {took:.1f} s after")
