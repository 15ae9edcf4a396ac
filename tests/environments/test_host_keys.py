"""Host keys: none is trusted without someone having said so, and none is replaced in silence."""

import pytest
from django.core.exceptions import ValidationError
from pytest_django import DjangoCaptureOnCommitCallbacks

from environments import host_keys, ssh
from environments.host_keys import KeyDiffers, NotShown, NotTrusted
from environments.models import GitHostKey, Host
from notifications.models import Event
from tests.builders import make_host
from tests.environments.keys import make_key, trusted

pytestmark = [pytest.mark.django_db, pytest.mark.both_databases]


def test_a_first_key_is_accepted_and_told() -> None:
    host, key = make_host(name="web1"), make_key()
    row = host_keys.accept(host=host, key=key, by="ada")
    assert (row.algorithm, row.key, row.accepted_by) == ("ssh-ed25519", key.key, "ada")
    event = Event.objects.get(kind="host.key_accepted")
    assert (event.actor, event.facts["host"], event.facts["fingerprint"]) == ("ada", "web1", key.fingerprint)


def test_accepting_it_twice_changes_nothing() -> None:
    host, key = make_host(), make_key()
    assert host_keys.accept(host=host, key=key, by="ada") == host_keys.accept(host=host, key=key, by="bob")
    assert Event.objects.filter(kind="host.key_accepted").count() == 1


def test_a_changed_key_is_refused_in_silence_never() -> None:
    host, old, new = make_host(name="web1"), make_key(), make_key()
    host_keys.accept(host=host, key=old, by="ada")
    with pytest.raises(KeyDiffers, match=rf"--replace {old.fingerprint.replace('+', '.')}"):
        host_keys.accept(host=host, key=new, by="ada")
    with pytest.raises(NotTrusted):
        host_keys.accept(host=host, key=new, by="ada", replace=new.fingerprint)
    assert trusted(host) == {old.key}


def test_a_changed_key_replaces_the_one_that_is_named(
    django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks, monkeypatch: pytest.MonkeyPatch
) -> None:
    forgotten: list[Host] = []
    monkeypatch.setattr(ssh, "forget", forgotten.append)
    host, old, new = make_host(), make_key(), make_key()
    host_keys.accept(host=host, key=old, by="ada")
    with django_capture_on_commit_callbacks(execute=True):
        host_keys.accept(host=host, key=new, by="ada", replace=old.fingerprint)
    assert trusted(host) == {new.key}
    assert Event.objects.filter(kind="host.key_accepted").latest("pk").facts["replaced"] == old.fingerprint
    assert forgotten == [host]


def test_a_key_of_another_kind_stands_beside() -> None:
    host, first, second = make_host(), make_key(), make_key("ecdsa-sha2-nistp256")
    host_keys.accept(host=host, key=first, by="ada")
    host_keys.accept(host=host, key=second, by="ada")
    assert trusted(host) == {first.key, second.key}


def test_another_host_is_not_touched() -> None:
    one, two, old, new = make_host(), make_host(), make_key(), make_key()
    host_keys.accept(host=one, key=old, by="ada")
    host_keys.accept(host=two, key=old, by="ada")
    host_keys.accept(host=one, key=new, by="ada", replace=old.fingerprint)
    assert trusted(two) == {old.key}


def test_a_git_host_is_trusted_the_same_way() -> None:
    host = host_keys.read_git_host("Git.Example")
    old, new = make_key(), make_key()
    host_keys.accept_git(host=host, key=old, by="ada")
    with pytest.raises(KeyDiffers):
        host_keys.accept_git(host=host, key=new, by="ada")
    host_keys.accept_git(host=host, key=new, by="ada", replace=old.fingerprint)
    assert [row.key for row in GitHostKey.objects.filter(host="git.example")] == [new.key]
    assert Event.objects.filter(kind="host.key_accepted").latest("pk").facts["git_host"] == "git.example"


@pytest.mark.parametrize(
    ("name", "known", "port"),
    [
        ("github.com", "github.com", 22),
        ("[git.example]:2222", "[git.example]:2222", 2222),
        ("[git.example]:22", "git.example", 22),
    ],
)
def test_a_git_host_is_named_as_known_hosts_does(name: str, known: str, port: int) -> None:
    host = host_keys.read_git_host(name)
    assert (host.name, host.port) == (known, port)


@pytest.mark.parametrize("name", ["", "-oProxyCommand=x", "[a]:0", "[a]:99999", "a b", "[a]", "a:22", "x;y", "[a]:22x"])
def test_what_is_no_git_host_is_refused(name: str) -> None:
    with pytest.raises(ValidationError):
        host_keys.read_git_host(name)


def test_a_key_is_chosen_by_its_fingerprint() -> None:
    one, two = make_key(), make_key()
    assert host_keys.choose([one, two], two.fingerprint) == two
    with pytest.raises(NotShown, match="Nothing was accepted"):
        host_keys.choose([one], two.fingerprint)
