import socket
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from deployer_site.valkey import find_binary, own_url, write_configuration


def test_it_answers_with_the_password_only(valkey: str) -> None:
    with redis.Redis.from_url(valkey) as client:
        assert client.ping()
    stranger = redis.Redis(host="127.0.0.1", port=urlsplit(valkey).port or 0, retry=Retry(NoBackoff(), 0))
    with stranger, pytest.raises(redis.AuthenticationError):
        stranger.ping()


def test_it_listens_on_loopback_only(valkey: str) -> None:
    addresses = {found[4][0] for found in socket.getaddrinfo(socket.gethostname(), None, socket.AF_INET)}
    for address in {str(address) for address in addresses if not str(address).startswith("127.")}:
        with socket.socket() as probe:
            assert probe.connect_ex((address, urlsplit(valkey).port or 0)) != 0


def test_it_keeps_the_password_in_a_file_that_only_we_may_read(tmp_path: Path) -> None:
    file = write_configuration("redis://:secret@127.0.0.1:20001/0", tmp_path / 'a "quoted" folder')
    assert file.stat().st_mode & 0o777 == 0o600
    assert "requirepass secret" in file.read_text()


def test_it_moves_to_another_port_when_its_own_is_taken(tmp_path: Path) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        taken = other.getsockname()[1]
        file = tmp_path / "valkey_url"
        url, port = own_url(file, f"redis://:old@127.0.0.1:{taken}/0")
    assert port != taken
    assert file.read_text().strip() == url
    assert file.stat().st_mode & 0o777 == 0o600


def test_it_stays_on_its_port_when_that_is_free(tmp_path: Path) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        free = other.getsockname()[1]
    url = f"redis://:old@127.0.0.1:{free}/0"
    assert own_url(tmp_path / "valkey_url", url) == (url, free)
    assert not (tmp_path / "valkey_url").exists()


def test_the_server_comes_with_the_package() -> None:
    assert find_binary().is_file()
