"""The database goes away at the worst moment: what was committed without an answer is found again."""

from collections.abc import Callable
from contextlib import closing

import psycopg
import pytest
from django.db import OperationalError, connection

from deployer_site.database_url import SESSION
from deployments import batches, claims, log
from deployments.models import HostRun
from deployments.runtime import Runtime
from tests.deployments.conftest import MakeFleetTarget
from tests.deployments.ended import request
from tests.deployments.web import database_url

pytestmark = [pytest.mark.both_databases, pytest.mark.django_db(transaction=True)]


def _answer_lost(act: Callable[..., object]) -> Callable[..., object]:
    """It happens, and whoever asked for it hears only that the connection broke."""

    def done(*arguments: object) -> object:
        act(*arguments)
        raise OperationalError("server closed the connection unexpectedly")

    return done


@pytest.mark.parametrize("lost", ["take", "let_go"])
def test_a_claim_that_nobody_knows_of_is_ended(
    make_place: MakeFleetTarget, lost: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its worker lives, so that it would never lapse, and the deploy would wait for ever."""
    deploy, other = request(make_place(hosts=3)), request(make_place(hosts=2))
    runtime = Runtime()
    ids = list(deploy.runs.values_list("pk", flat=True))
    claims.take(runtime.worker, other, list(other.runs.values_list("pk", flat=True)))
    monkeypatch.setattr("deployments.phases.carry_out", lambda *_: None)
    with monkeypatch.context() as patch:
        patch.setattr(claims, lost, _answer_lost(getattr(claims, lost)) if lost == "take" else _broken)
        with pytest.raises(OperationalError):
            batches.run_batch(deploy.pk, "prepare", ids, runtime=runtime)
    assert _claimed(ids) == len(ids), "the claims are there, and nobody works on them"
    with runtime.holding(list(other.runs.values_list("pk", flat=True))):
        runtime._renew()
    assert _claimed(ids) == 0
    assert other.runs.filter(claimed_by=runtime.worker.pk).count() == other.runs.count(), "what is worked on stays"
    runtime.end()


def test_a_process_that_sleeps_in_a_transaction_does_not_keep_its_rows(make_place: MakeFleetTarget) -> None:
    """Of a worker that is stopped, others adopt the deploys, which writes the rows that it had locked."""
    deploy = request(make_place(hosts=1))
    if connection.vendor != "postgresql":
        pytest.skip("SQLite has one lock for all, and one machine, which sleeps as a whole.")
    with closing(psycopg.connect(database_url(), options=SESSION)) as sleeper:
        sleeper.execute("SELECT 1 FROM deployments_deploy WHERE id = %s FOR UPDATE", [deploy.pk])
        assert claims.take(claims.register(), deploy, list(deploy.runs.values_list("pk", flat=True)))
        log.say(deploy, "This waits for the row.")
        with pytest.raises(psycopg.Error, match="idle-in-transaction"):
            sleeper.execute("SELECT 1")


def _broken(*_: object) -> None:
    raise OperationalError("server closed the connection unexpectedly")


def _claimed(ids: list[int]) -> int:
    return HostRun.objects.filter(pk__in=ids).exclude(claimed_by=None).count()
