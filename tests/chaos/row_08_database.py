"""R08, R09: PostgreSQL is away for a minute in mid-deploy; its connections are cut exactly at commits."""

import os
import random
import signal
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import pytest
from django.conf import settings
from django.db import connection, connections

from tests.chaos.cluster import Cluster, await_ends, runs_of, warm_up
from tests.chaos.commit_cutter import CommitCutter
from tests.chaos.truth import check_true_end, executions_once
from tests.deployments.ended import request
from tests.deployments.web import database_url
from tests.patience import within
from tests.postgresql import PostgreSQL

AT_ONCE = 4
AFTER_SECONDS = 30.0
_revived: list[PostgreSQL] = []  # they serve whatever follows, and end with this process

pytestmark = [pytest.mark.both_databases, pytest.mark.django_db(transaction=True)]


@pytest.fixture
def server() -> Path:
    """The folder of PostgreSQL's socket and data."""
    if connection.vendor != "postgresql":
        pytest.skip("SQLite has no server that can be away.")
    return Path(str(settings.DATABASES["default"]["HOST"]))


def _stop_at_once(server: Path) -> None:
    pid = int((server / "data/postmaster.pid").read_text().splitlines()[0])
    os.kill(pid, signal.SIGQUIT)
    within(lambda: not (server / "data/postmaster.pid").exists() or not _lives(pid), 20, "the server's end")
    connections.close_all()


def _lives(pid: int) -> bool:
    stat = Path(f"/proc/{pid}/stat")
    return stat.exists() and stat.read_text().rpartition(")")[2].split()[0] != "Z"


@pytest.mark.parametrize("away", [5, 60])
def test_r08_the_database_is_away(cluster: Cluster, chance: random.Random, server: Path, away: int) -> None:
    places = cluster.places(AT_ONCE)
    cluster.start(2)
    warm_up(places)
    deploys = [request(place) for place in places]
    time.sleep(chance.uniform(0.5, 4))
    _stop_at_once(server)
    time.sleep(away)
    _revived.append(PostgreSQL(server, durable=True))
    _revived[-1].serve()
    back = time.monotonic()
    await_ends(deploys, AFTER_SECONDS + 15)
    took = time.monotonic() - back
    for place, deploy in zip(places, deploys, strict=True):
        check_true_end(place, deploy)
        errors = [run.error for run in deploy.runs.all() if run.error]
        assert (deploy.status, errors) == ("succeeded", [])
        assert executions_once(place, deploy) == 1
    print(f"R08: {away} s without a database: {AT_ONCE} deploys over and true {took:.1f} s after, 0 lines lost")


@pytest.fixture
def cutter(server: Path, chance: random.Random) -> Iterator[CommitCutter]:
    with tempfile.TemporaryDirectory(prefix="cut-") as folder:
        made = CommitCutter(Path(folder), server, chance)
        yield made
        made.close()


def test_r09_commits_are_cut(cluster: Cluster, cutter: CommitCutter, server: Path) -> None:
    from_workers = database_url().replace(quote(str(server), safe=""), quote(str(cutter.folder), safe=""))
    assert from_workers != database_url()
    places = cluster.places(AT_ONCE)
    cluster.start(2, DATABASE_URL=from_workers)
    warm_up(places)
    samples = 0
    while cutter.cuts < runs_of(100):
        deploys = [request(place) for place in places]
        cutter.share = 0.2
        time.sleep(8)
        cutter.share = 0.0
        back = time.monotonic()
        await_ends(deploys, AFTER_SECONDS + 15)
        for place, deploy in zip(places, deploys, strict=True):
            check_true_end(place, deploy)
            errors = [run.error for run in deploy.runs.all() if run.error]
            assert (deploy.status, errors) == ("succeeded", [])
            assert executions_once(place, deploy) == 1
        samples += AT_ONCE
        print(f"{samples} deploys, {cutter.cuts} commits cut; over {time.monotonic() - back:.1f} s after the last cut")
    print(f"R09: {cutter.cuts} commits cut in {samples} deploys: all true")
