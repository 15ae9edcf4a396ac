"""Words to pages travel over one connection that is kept, and one that broke is made anew."""

import secrets
from collections.abc import Iterator

import pytest
import redis
from asgiref.sync import async_to_sync
from channels.layers import get_channel_layer

from notifications import live
from tests.patience import Wait

WORDS = 12


@pytest.fixture
def broker(valkey: str) -> Iterator[redis.Redis]:
    client = redis.Redis.from_url(valkey)
    yield client
    client.close()


@pytest.fixture
def channel(valkey: str) -> tuple[str, str]:
    """A group with one channel in it, which nobody reads: what it was told can be counted."""
    layer, group = get_channel_layer(), f"watched-{secrets.token_hex(4)}"
    name = async_to_sync(layer.new_channel)()
    async_to_sync(layer.group_add)(group, name)
    return group, layer.prefix + name


def test_words_one_after_the_other_cost_one_connection(
    broker: redis.Redis, channel: tuple[str, str], eventually: Wait
) -> None:
    group, key = channel

    def heard() -> int:
        # of a channel that is one of several in its process, the layer keeps what is before the "!"
        return int(broker.zcard(key.partition("!")[0] + "!"))

    def say(number: int) -> None:
        live.say(group, {"n": number})
        eventually(lambda: heard() == number, what=f"word {number}")

    say(1)
    before = broker.info("stats")["total_connections_received"]
    for number in range(2, WORDS):
        say(number)
    made = broker.info("stats")["total_connections_received"] - before
    assert made <= 1, f"{made} connections for {WORDS} words"

    # Valkey was restarted, or a firewall has forgotten the connection
    broker.client_kill_filter(_type="normal", skipme=True)
    say(WORDS)
