import redis

from deployer_site.valkey import write_configuration


def test_it_answers_with_the_password_only(valkey: str) -> None:
    with redis.Redis.from_url(valkey) as client:
        assert client.ping()
        port = client.connection_pool.connection_kwargs["port"]
    with redis.Redis(host="127.0.0.1", port=port) as stranger:
        try:
            stranger.ping()
        except redis.AuthenticationError:
            return
    raise AssertionError("Valkey answered without the password.")


def test_it_keeps_the_password_in_a_file_of_ours_only(tmp_path) -> None:
    file = write_configuration("redis://:secret@127.0.0.1:20001/0", tmp_path / 'a "b"')
    assert file.stat().st_mode & 0o777 == 0o600
    assert "requirepass secret" in file.read_text()
