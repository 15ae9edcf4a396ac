"""What all tests share. Servers are real ones, started on free ports in temporary folders."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import redis
from channels.layers import channel_layers
from django.conf import settings

from deployer_site.valkey import find_binary, write_configuration
from environments.ssh import authorities
from environments.ssh.connection import own_key
from tests.costs import pytest_configure as pytest_configure
from tests.emptying import quick_emptying as quick_emptying
from tests.migrated import django_db_keepdb as django_db_keepdb
from tests.migrated import django_db_setup as django_db_setup
from tests.migrated import migrated as migrated
from tests.patience import Wait as Wait
from tests.patience import eventually as eventually_true
from tests.processes import Processes


@pytest.fixture(autouse=True)
def _own_memory_of_this_test() -> None:
    """Each test has a database of its own; a process remembers its key and the authorities of hosts for a moment."""
    own_key.forget()
    authorities.forget()


@pytest.fixture(autouse=True)
def _own_channel_layer_of_this_test() -> None:
    """A layer belongs to the event loop that first listened on it, and each asynchronous test has a loop of its own."""
    channel_layers.backends.clear()


@pytest.fixture(scope="session")
def processes() -> Iterator[Processes]:
    """Starts processes that end with the tests, also when the tests are killed."""
    started = Processes()
    yield started
    started.stop()


@pytest.fixture(scope="session")
def eventually() -> Wait:
    """`eventually(condition)` polls until the condition is true: `tests.patience`."""
    return eventually_true


@pytest.fixture(scope="session")
def valkey(processes: Processes, tmp_path_factory: pytest.TempPathFactory) -> str:
    """A real Valkey at settings.REDIS_URL, which Celery and the channel layer use in tests too."""
    folder: Path = tmp_path_factory.mktemp("valkey")
    processes.start([str(find_binary()), str(write_configuration(settings.REDIS_URL, folder))])
    client = redis.Redis.from_url(settings.REDIS_URL)

    def answers() -> bool:
        try:
            return bool(client.ping())
        except redis.ConnectionError:
            return False

    eventually_true(answers)
    client.close()
    return str(settings.REDIS_URL)
