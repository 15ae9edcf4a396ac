"""Pages say in a sentence when nothing comes by way of Redis: whom that strikes, what it means, what to do."""

from pathlib import Path

import pytest
from asgiref.sync import sync_to_async
from channels_redis.core import RedisChannelLayer
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from pytest_django import Settings

from deployer_site.valkey import find_binary, write_configuration
from deployments import claims, words
from deployments.models import Worker
from deployments.unheard import unheard
from tests.builders import make_deploy, make_user
from tests.conftest import Wait
from tests.deployments.shop_pages import make_shop, sign_in, text_of
from tests.deployments.web import free_port
from tests.processes import Processes

pytestmark = pytest.mark.django_db


class Watcher:
    """Someone for whose sake an ear listens."""

    def hear(self, word: object) -> None:
        del word


def _deafen(worker: Worker, seconds: float) -> None:
    assert claims.renew(worker)
    Worker.objects.filter(pk=worker.pk).update(heard_at=claims.now() - seconds)


@pytest.mark.both_databases
def test_a_deaf_worker_is_told_and_one_that_hears_is_not() -> None:
    deaf, hears = (claims.register(name=f"worker-{number}@host") for number in (1, 2))
    assert unheard() == []
    _deafen(deaf, 600)
    _deafen(hears, 10)
    with CaptureQueriesContext(connection) as queries:
        (told,) = unheard()
    assert told.title == "worker-1 hears nothing from Redis"
    assert "up to 3 s later" in told.means
    assert len([query for query in queries if "deployments_worker" in query["sql"]]) == 1


def test_both_pages_say_it_and_change_when_it_is_over(tmp_path: Path, settings: Settings) -> None:
    target = make_shop(tmp_path, settings)
    deploy = make_deploy(target=target)
    client = sign_in(make_user(role="viewer"))
    worker = claims.register(name="worker-1@host")
    for page in (reverse("home"), reverse("deploy", args=[deploy.pk])):
        _deafen(worker, 600)
        first = client.get(page)
        assert "worker-1 hears nothing from Redis since" in text_of(first.content)
        assert client.get(page, headers={"X-Known": first["X-Tag"]}).status_code == 204
        claims.hear(worker.pk)
        later = client.get(page, headers={"X-Known": first["X-Tag"]})
        assert later.status_code == 200
        assert "hears nothing" not in text_of(later.content)


@pytest.mark.django_db(transaction=True)
async def test_a_redis_that_is_away_is_told_as_long_as_that_lasts(
    processes: Processes, tmp_path: Path, eventually: Wait, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(words, "RETRY_SECONDS", 0.05)
    url = f"redis://:secret@127.0.0.1:{free_port()}"
    layer = RedisChannelLayer(hosts=[{"address": url, "socket_timeout": None}], prefix="deployer")
    monkeypatch.setattr(words, "get_channel_layer", lambda: layer)
    wait = sync_to_async(eventually)
    with words.hearing("unheard", Watcher()):
        await wait(lambda: words.silent_since() is not None)
        (told,) = await sync_to_async(unheard)()
        assert (told.title, "3 s later" in told.means) == ("Degraded: Redis does not answer", True)
        server = processes.start([str(find_binary()), str(write_configuration(url, tmp_path))])
        await wait(lambda: words.silent_since() is None)
        server.kill()
        await wait(lambda: words.silent_since() is not None)
    assert words.silent_since() is None, "nobody listens any more, so nobody knows"
