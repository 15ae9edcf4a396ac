"""Keys of many hosts confirmed in one act: compared with a list, approved by fingerprint, a changed one never."""

from collections.abc import Iterator
from contextlib import ExitStack

import pytest
from django.urls import reverse

from environments import host_keys, trusting
from environments.access import NotAllowed
from environments.models import Host, HostKey, Role, User
from environments.ssh import ScannedKey
from notifications.models import Event
from tests import builders
from tests.deployments.api_client import api_of, check_problem
from tests.deployments.fleet import closed_port
from tests.deployments.shop_pages import sign_in, text_of
from tests.environments.keys import make_key, trusted
from tests.environments.ssh_server import SSHServer, a_server

pytestmark = pytest.mark.django_db


@pytest.fixture
def ada() -> User:
    return builders.make_user(username="ada", role=Role.ADMINISTRATOR)


@pytest.fixture(scope="module")
def servers() -> Iterator[list[SSHServer]]:
    with ExitStack() as stack:
        yield [stack.enter_context(a_server()) for _ in range(2)]


@pytest.fixture
def hosts(servers: list[SSHServer]) -> list[Host]:
    """web-1 and web-2 show their keys, web-3 does not answer."""
    ports = [*(server.port for server in servers), closed_port()]
    return [builders.make_host(name=f"web-{number}", port=port) for number, port in enumerate(ports, start=1)]


def key_of(server: SSHServer) -> ScannedKey:
    return ScannedKey(server.key.get_name(), server.key.get_base64())


def verdicts(text: str, ada: User) -> list[str]:
    return [one.verdict for one in trusting.look(["web-1", "web-2"], text=text, by=ada)]


def test_what_they_show_is_compared_with_a_list(hosts: list[Host], servers: list[SSHServer], ada: User) -> None:
    first, second = map(key_of, servers)
    line = f"[127.0.0.1]:{servers[0].port} {first.algorithm} {first.key}"
    assert verdicts(f"# 127.0.0.1 SSH-2.0\n{line}\n", ada) == ["agrees", "absent"]
    assert verdicts(f"{line}\n256 {first.fingerprint} root@web-2 (ECDSA)", ada) == ["agrees", "differs"]
    assert verdicts(f"web-2 {second.fingerprint}\nweb-1: {make_key().fingerprint}", ada) == ["differs", "agrees"]
    assert verdicts(second.fingerprint, ada) == ["absent", "absent"]  # of nobody: whose it is must be said
    assert verdicts("", ada) == ["", ""]
    with pytest.raises(trusting.ListWrong, match="Line 1"):
        verdicts("nonsense", ada)
    (silent,) = trusting.look(["web-3"], by=ada)
    assert (silent.key, "web-3" in silent.trouble) == (None, True)
    assert not HostKey.objects.exists()


def test_they_are_approved_all_or_none_and_each_is_an_event(
    hosts: list[Host], servers: list[SSHServer], ada: User
) -> None:
    marks = {host.name: key_of(server).fingerprint for host, server in zip(hosts, servers, strict=False)}
    with pytest.raises(trusting.NotAsApproved, match="web-2: No key with the fingerprint"):
        trusting.approve(marks | {"web-2": make_key().fingerprint}, by=ada)
    with pytest.raises(trusting.NotAsApproved, match="web-3"):
        trusting.approve(marks | {"web-3": make_key().fingerprint}, by=ada)
    assert not HostKey.objects.exists()
    trusting.approve(marks, by=ada)
    assert [trusted(host) for host in hosts] == [{key_of(servers[0]).key}, {key_of(servers[1]).key}, set()]
    events = Event.objects.filter(kind="host.key_accepted", actor="ada").order_by("host")
    assert [(event.host, event.facts["fingerprint"]) for event in events] == list(marks.items())


def test_a_changed_key_is_never_among_them(hosts: list[Host], servers: list[SSHServer], ada: User) -> None:
    old = make_key("ecdsa-sha2-nistp256")
    host_keys.accept(host=hosts[0], key=old, by="ben")
    assert [host.name for host in trusting.unconfirmed()] == ["web-2", "web-3"]
    marks = {host.name: key_of(server).fingerprint for host, server in zip(hosts, servers, strict=False)}
    for act in (lambda: trusting.approve(marks, by=ada), lambda: trusting.look(list(marks), by=ada)):
        with pytest.raises(trusting.NotUnconfirmed, match="web-1 is no host without a confirmed key"):
            act()
    assert trusted(hosts[0]) == {old.key}
    assert trusted(hosts[1]) == set()


def test_one_that_somebody_confirmed_meanwhile_stays_as_it_is(
    hosts: list[Host], servers: list[SSHServer], ada: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between the look and the writing; another kind of key would else be added to it."""
    other, look = make_key(), trusting._look

    def meanwhile(host: Host, known: object) -> trusting.Looked:
        found = look(host, known)  # type: ignore[arg-type]
        host_keys.accept(host=host, key=other, by="ben")
        return found

    monkeypatch.setattr(trusting, "_each", lambda some, act: [meanwhile(host, None) for host in some])
    with pytest.raises(trusting.NotUnconfirmed):
        trusting.approve({"web-1": key_of(servers[0]).fingerprint}, by=ada)
    assert trusted(hosts[0]) == {other.key}


def test_who_may(hosts: list[Host], servers: list[SSHServer]) -> None:
    ben = builders.make_user()
    with pytest.raises(NotAllowed):
        trusting.look(["web-1"], by=ben)
    with pytest.raises(NotAllowed):
        trusting.approve({"web-1": key_of(servers[0]).fingerprint}, by=ben)


def test_the_page(hosts: list[Host], servers: list[SSHServer], ada: User) -> None:
    client, mark = sign_in(ada), key_of(servers[0]).fingerprint
    form = {"host": ["web-1", "web-2", "web-3"], "known": f"web-1 {mark}\nweb-2 {mark}"}
    answer = client.post(reverse("look-at-keys"), form)
    page = text_of(answer.content)
    assert "1 of 3 agree with your list" in page
    assert "says another key" in page
    assert f'value="web-1 {mark}" aria-label="Trust web-1 by {mark}" checked' in answer.content.decode()
    assert answer.content.decode().count('" checked>') == 1 + 3  # and none that differs
    client.post(reverse("approve-keys"), {"key": f"web-1 {mark}"})
    assert trusted(hosts[0]) == {key_of(servers[0]).key}
    again = client.post(reverse("approve-keys"), {"key": f"web-1 {mark}"}, follow=True)
    assert "no host without a confirmed key" in text_of(again.content)


def test_the_api(hosts: list[Host], servers: list[SSHServer], ada: User) -> None:
    api, marks = api_of(user=ada), [key_of(server).fingerprint for server in servers]
    assert [row["host"] for row in api.get("trust/unconfirmed").json()["items"]] == ["web-1", "web-2", "web-3"]
    body = {"hosts": ["web-1", "web-2"], "known": f"web-1 {marks[0]}"}
    seen = api.post("trust/look", body).json()["hosts"]
    assert [(row["verdict"], row["agreed"], row["shown"][0]["fingerprint"]) for row in seen] == [
        ("agrees", marks[0], marks[0]),
        ("absent", "", marks[1]),
    ]
    check_problem(api.post("trust/approve", {"approved": {"web-1": marks[1]}}), 409, "not-possible")
    check_problem(api.post("trust/look", body | {"known": "x"}), 400, "wrong-values")
    approved = dict(zip(("web-1", "web-2"), marks, strict=True))
    assert api.post("trust/approve", {"approved": approved}).json() == {"hosts": ["web-1", "web-2"]}
    check_problem(api.post("trust/approve", {"approved": approved}), 409, "not-possible")
