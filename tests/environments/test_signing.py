"""The Deployer's own key, signed by a command: with a real ssh-keygen authority and servers that trust it alone."""

import subprocess
from collections.abc import Iterator
from datetime import timedelta
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.urls import reverse
from django.utils import timezone
from pytest_django import Settings

from environments import adding_hosts, host_lines, keys, signing, ssh
from environments.access import NotAllowed
from environments.models import Host, KeyPair, Role, Signer, User
from environments.sealed import seal
from environments.ssh import connection
from notifications.models import Event
from tests import builders
from tests.deployments.api_client import api_of, check_problem
from tests.deployments.openssh import OpenSSH, running
from tests.deployments.shop_pages import sign_in, text_of
from tests.processes import Processes

pytestmark = pytest.mark.django_db

# What docs/host-sources.md says; ARGUMENTS is what each test wants else.
SCRIPT = """#!/bin/sh
echo "$DEPLOYER_PRINCIPAL $DEPLOYER_VALIDITY" >>{folder}/asked
[ ! -e {folder}/broken ] || {{ echo "the vault is sealed" >&2; exit 3; }}
key=$(mktemp -d) && trap 'rm -r "$key"' EXIT && cat >"$key/key.pub" &&
ssh-keygen -q -s {folder}/ca -I "$DEPLOYER_KEY_ID" \\
    -n "$DEPLOYER_PRINCIPAL" -V "$DEPLOYER_VALIDITY" {more} "$key/key.pub" &&
cat "$key/key-cert.pub"
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("authority")
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", made / "ca"], check=True)
    return made


@pytest.fixture(scope="module")
def machine(processes: Processes, folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[OpenSSH]:
    more = f"TrustedUserCAKeys {folder}/ca.pub"
    with running(processes, tmp_path_factory.mktemp("machine") / "host", more=more) as made:
        yield made


@pytest.fixture
def ada() -> User:
    keys.ensure_key_pair()
    return builders.make_user(username="ada", role=Role.ADMINISTRATOR)


@pytest.fixture
def command(folder: Path, settings: Settings) -> Iterator[str]:
    settings.SOURCE_SCRIPTS = [folder]
    (folder / "asked").write_text("")
    yield write(folder)
    (folder / "broken").unlink(missing_ok=True)
    forget()


def write(folder: Path, script: str = SCRIPT, more: str = "") -> str:
    file = folder / "sign"
    file.write_text(script.format(folder=folder, more=more))
    file.chmod(0o755)
    return str(file)


def forget() -> None:
    """Nothing of a test is ever committed, so nobody is told."""
    ssh.close_idle(-1)
    connection.own_key.forget()


def talk(machine: OpenSSH, by: User) -> bytes:
    forget()
    line = host_lines.read(f"{machine.user}@127.0.0.1:{machine.port} as web-1")
    host = Host.objects.filter(name="web-1").first()
    if host is None:
        host = adding_hosts.add_hosts(line, environment="production", by=by).hosts[0]
        adding_hosts.trust(host, ssh.scan_host(host), by=by)
    with ssh.program(host, host.user, "echo here") as channel:
        return channel.receive(60) or b""


def test_a_host_that_knows_only_the_authority_lets_it_in(machine: OpenSSH, command: str, ada: User) -> None:
    (machine.folder / "authorized_keys").write_text("")
    with pytest.raises(ssh.KeyRefused):
        talk(machine, ada)
    row = signing.set_signer(command, principal=machine.user, minutes=60, by=ada)
    assert talk(machine, ada) == b"here\n"
    assert row.begins_at
    assert row.ends_at
    assert timedelta(minutes=58) < row.ends_at - timezone.now() < timedelta(minutes=61)
    assert Path(command).with_name("asked").read_text() == f"{machine.user} +3600s\n"
    assert "Accepted publickey for root from 127.0.0.1" in (machine.folder / "log").read_text()
    assert Event.objects.filter(kind="signer.set", actor="ada").count() == 1


def test_one_that_knows_the_key_alone_lets_it_in_too(machine: OpenSSH, command: str, ada: User) -> None:
    (machine.folder / "authorized_keys").write_text(keys.ensure_key_pair().public + "\n")
    signing.set_signer(command, principal="somebody", minutes=60, by=ada)  # whom no host here knows
    assert talk(machine, ada) == b"here\n"


def test_it_is_renewed_in_good_time_and_by_one_worker(command: str, ada: User) -> None:
    row = signing.set_signer(command, principal="deploy", minutes=60, by=ada)
    assert row.due_at
    assert row.begins_at
    assert timedelta(minutes=38) < row.due_at - timezone.now() < timedelta(minutes=41)
    signing.renew_due()
    assert Signer.objects.get().certificate == row.certificate
    Signer.objects.update(due_at=timezone.now())
    signing.renew_due()
    signing.renew_due()
    assert Signer.objects.get().certificate != row.certificate
    assert Path(command).with_name("asked").read_text().count("\n") == 2


def test_one_that_fails_keeps_the_old_one_to_its_end_and_says_so(machine: OpenSSH, command: str, ada: User) -> None:
    (machine.folder / "authorized_keys").write_text("")
    row = signing.set_signer(command, principal=machine.user, minutes=60, by=ada)
    Path(command).with_name("broken").touch()
    for _ in range(2):
        Signer.objects.update(due_at=timezone.now())
        signing.renew_due()
    found = Signer.objects.get()
    assert (found.certificate, found.trouble) == (row.certificate, f"{command} ended with 3: the vault is sealed.")
    assert Event.objects.filter(kind="signer.failed").count() == 1
    assert talk(machine, ada) == b"here\n"
    page = text_of(sign_in(ada).get(reverse("settings-keys")).content)
    assert "It was not renewed since" in page
    assert "the vault is sealed" in page
    Signer.objects.update(ends_at=timezone.now())
    with pytest.raises(ssh.KeyRefused):
        talk(machine, ada)
    assert "The last one has ended" in text_of(sign_in(ada).get(reverse("settings-keys")).content)
    Path(command).with_name("broken").unlink()
    signing.renew(by=ada)
    assert talk(machine, ada) == b"here\n"
    assert (Signer.objects.get().trouble, Event.objects.filter(kind="signer.recovered").count()) == ("", 1)


def test_another_key_is_signed_anew(command: str, ada: User) -> None:
    signing.set_signer(command, principal="deploy", minutes=60, by=ada)
    KeyPair.objects.update(active=False)
    private = Path(command).with_name("other")
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", private], check=True)
    pair = KeyPair.objects.create(public=private.with_suffix(".pub").read_text(), private=seal(private.read_text()))
    for file in (private, private.with_suffix(".pub")):
        file.unlink()
    forget()
    connection.own_key.get("web-1")
    assert connection.own_key.certified() is None
    signing.renew_due()
    assert Signer.objects.get().key_pair == pair


WRONG = {
    "a host's": (SCRIPT, "-h", "is one of a host"),
    "another user's": (SCRIPT.replace('-n "$DEPLOYER_PRINCIPAL"', "-n root2"), "", "is not for deploy"),
    "over": (SCRIPT.replace('-V "$DEPLOYER_VALIDITY"', "-V -2h:-1h"), "", "has ended on"),
    "another key's": (
        SCRIPT.replace('cat >"$key/key.pub"', 'cp {folder}/ca.pub "$key/key.pub"'),
        "",
        "another key than ours",
    ),
    "none": ("#!/bin/sh\necho hello\n", "", "it is none"),
    "a failure": ("#!/bin/sh\necho no >&2; exit 1\n", "", "ended with 1: no"),
}


@pytest.mark.parametrize("why", WRONG)
def test_what_is_no_certificate_for_us_is_not_taken(why: str, folder: Path, command: str, ada: User) -> None:
    script, more, told = WRONG[why]
    write(folder, script, more)
    with pytest.raises(signing.NotSigned, match=told):
        signing.set_signer(command, principal="deploy", minutes=60, by=ada)
    assert not Signer.objects.exists()


@pytest.mark.parametrize(
    ("given", "field"),
    [
        ({"command": "/bin/cat"}, "command"),
        ({"command": "sign"}, "command"),
        ({"principal": "a b"}, "principal"),
        ({"minutes": 4}, "minutes"),
    ],
)
def test_what_cannot_be_changes_nothing(given: dict[str, object], field: str, command: str, ada: User) -> None:
    facts: dict[str, object] = {"command": command, "principal": "deploy", "minutes": 60} | given
    with pytest.raises(signing.SignerWrong) as refused:
        signing.set_signer(**facts, by=ada)  # type: ignore[arg-type]
    assert list(refused.value.problems) == [field]
    assert not Signer.objects.exists()
    assert Path(command).with_name("asked").read_text() == ""


def test_who_may(command: str, ada: User) -> None:
    with pytest.raises(NotAllowed):
        signing.set_signer(command, principal="deploy", minutes=60, by=builders.make_user())
    signing.set_signer(command, principal="deploy", minutes=60, by=ada)
    for act in (signing.renew, signing.remove):
        with pytest.raises(NotAllowed):
            act(by=builders.make_user())


def test_the_doors(command: str, ada: User) -> None:
    client, form = sign_in(ada), {"command": command, "principal": "deploy", "minutes": "60"}
    client.post(reverse("set-signer"), form)
    assert command in text_of(client.get(reverse("settings-keys")).content)
    client.post(reverse("renew-signer"))
    client.post(reverse("remove-signer"))
    assert not Signer.objects.exists()
    api = api_of(user=ada)
    check_problem(api.get("signer"), 404, "not-found")
    check_problem(api.put("signer", form | {"minutes": 1}), 400, "wrong-values")
    assert api.put("signer", form | {"minutes": 60}).json()["principal"] == "deploy"
    Path(command).with_name("broken").touch()
    check_problem(api.post("signer/renew"), 502, "signer")
    assert "the vault is sealed" in api.get("signer").json()["trouble"]
    Path(command).with_name("broken").unlink()
    assert api.post("signer/renew").json()["trouble"] == ""
    assert api.delete("signer").status_code == 204
    out = StringIO()
    call_command("key", "signer", command, "--minutes", "30", stdout=out)
    assert "signs for deploy" in out.getvalue()
    call_command("key", "unsign")
    with pytest.raises(CommandError):
        call_command("key", "renew")


def test_of_two_workers_that_look_at_once_one_asks(command: str, ada: User, monkeypatch: pytest.MonkeyPatch) -> None:
    signing.set_signer(command, principal="deploy", minutes=60, by=ada)

    def other_worker_is_quicker(row: Signer) -> bool:
        monkeypatch.setattr(signing, "_is_of_another_key", lambda row: True)
        signing.renew_due()
        return True

    monkeypatch.setattr(signing, "_is_of_another_key", other_worker_is_quicker)
    Signer.objects.update(due_at=timezone.now() + timedelta(hours=9))  # another moment than that of a new certificate
    signing.renew_due()
    assert Path(command).with_name("asked").read_text().count("\n") == 2, "once when it was set, and once now"


def test_a_signer_that_was_set_anew_meanwhile_keeps_its_certificate(
    command: str, ada: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    signing.set_signer(command, principal="deploy", minutes=60, by=ada)
    ask = signing._ask

    def set_anew_meanwhile(*asked: Any) -> signing.Signed:
        signed = ask(*asked)
        monkeypatch.setattr(signing, "_ask", ask)
        signing.set_signer(command, principal="other", minutes=30, by=ada)
        return signed

    monkeypatch.setattr(signing, "_ask", set_anew_meanwhile)
    Signer.objects.update(due_at=timezone.now())
    signing.renew_due()
    row = Signer.objects.get()
    words = ["ssh-keygen", "-L", "-f", "-"]
    told = subprocess.run(words, input=row.certificate, capture_output=True, text=True, check=True).stdout
    assert (row.principal, "other" in told) == ("other", True)


def test_a_folder_that_is_none_any_more_runs_nothing(command: str, ada: User, settings: Settings) -> None:
    signing.set_signer(command, principal="deploy", minutes=60, by=ada)
    settings.SOURCE_SCRIPTS = []
    with pytest.raises(signing.NotSigned, match="SOURCE_SCRIPTS"):
        signing.renew(by=ada)
    assert Path(command).with_name("asked").read_text().count("\n") == 1
    assert "SOURCE_SCRIPTS" in Signer.objects.get().trouble
