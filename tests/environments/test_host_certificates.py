"""Hosts that are trusted by a certificate, with real OpenSSH: an authority, a server that shows what it has signed."""

import base64
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from io import StringIO
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command
from django.urls import reverse

from deployments import probing
from environments import adding_hosts, host_authorities, host_lines, ssh
from environments.access import NotAllowed
from environments.keys import ensure_key_pair
from environments.models import Host, HostAuthority, Role, User
from environments.ssh import authorities, certificates
from notifications.models import Event
from tests import builders
from tests.deployments.api_client import api_of, check_problem
from tests.deployments.openssh import OpenSSH, running
from tests.deployments.shop_pages import sign_in, text_of
from tests.environments.keys import make_key
from tests.processes import Processes

pytestmark = pytest.mark.django_db


@dataclass
class CA:
    """An authority as ssh-keygen makes one, in a folder."""

    folder: Path

    def __post_init__(self) -> None:
        self.folder.mkdir()
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", self.folder / "ca"], check=True)

    @property
    def line(self) -> str:
        return " ".join((self.folder / "ca.pub").read_text().split()[:2])

    def sign(self, public: Path, *options: str, host: bool = True) -> None:
        """Its certificate lies beside the key, as `…-cert.pub`."""
        kind = ["-h"] if host else []
        command: list[str | Path] = [
            "ssh-keygen",
            "-q",
            "-s",
            self.folder / "ca",
            "-I",
            "tests",
            *kind,
            *options,
            public,
        ]
        subprocess.run(command, check=True, capture_output=True)


@pytest.fixture
def ada() -> User:
    ensure_key_pair()
    return builders.make_user(username="ada", role=Role.ADMINISTRATOR)


@pytest.fixture
def ca(tmp_path: Path) -> CA:
    return CA(tmp_path / "ca")


@pytest.fixture(scope="module")
def machine(processes: Processes, tmp_path_factory: pytest.TempPathFactory) -> Iterator[OpenSSH]:
    """It shows whatever certificate lies beside its key when somebody connects."""
    with running(processes, tmp_path_factory.mktemp("machine") / "host", more="HostCertificate {folder}/cert") as made:
        yield made


@pytest.fixture
def server(machine: OpenSSH, ada: User) -> Iterator[OpenSSH]:
    (machine.folder / "authorized_keys").write_text(ensure_key_pair().public + "\n")
    yield machine
    ssh.close_idle(-1)
    authorities.forget()  # for nothing of this test was ever committed


def certify(server: OpenSSH, ca: CA, *options: str, host: bool = True) -> None:
    ca.sign(server.folder / "host_key.pub", *options, host=host)
    shutil.move(server.folder / "host_key-cert.pub", server.folder / "cert")
    server.reload()


def add(server: OpenSSH, by: User, ca: CA | None = None, patterns: str = "[127.0.0.*]:*") -> Host:
    if ca is not None:
        host_authorities.trust(f"@cert-authority {patterns} {ca.line}", by=by)
    line = host_lines.read(f"{server.user}@127.0.0.1:{server.port} as web-1")
    return adding_hosts.add_hosts(line, environment="production", by=by).hosts[0]


def talk(host: Host) -> bytes:
    ssh.close_idle(-1)
    authorities.forget()
    with ssh.program(host, host.user, "echo here") as channel:
        return channel.receive(60) or b""


@pytest.mark.parametrize("principal", ["127.0.0.1", "web-1", "127.0.0.*"])
def test_what_a_trusted_authority_has_signed_is_trusted(server: OpenSSH, ada: User, ca: CA, principal: str) -> None:
    certify(server, ca, "-n", principal, "-V", "+1h")
    assert talk(add(server, ada, ca)) == b"here\n"


WRONG = {
    "another principal": ("-n", "127.0.0.2", "-V", "+1h"),
    "no principal": ("-V", "+1h"),
    "over": ("-n", "127.0.0.1", "-V", "-2h:-1h"),
    "not begun": ("-n", "127.0.0.1", "-V", "+1h:+2h"),
}
TOLD = {
    "another principal": "is for 127.0.0.2, not for 127.0.0.1 or web-1",
    "no principal": "is for no host at all",
    "over": "has ended on",
    "not begun": "is not valid before",
}


@pytest.mark.parametrize("why", WRONG)
def test_what_it_did_not_sign_for_this_host_and_this_hour_is_not(server: OpenSSH, ada: User, ca: CA, why: str) -> None:
    certify(server, ca, *WRONG[why])
    programs = server.programs
    with pytest.raises(ssh.HostCertificateWrong, match=TOLD[why]):
        talk(add(server, ada, ca))
    assert server.programs == programs


def test_another_authority_counts_for_nothing(server: OpenSSH, ada: User, ca: CA, tmp_path: Path) -> None:
    certify(server, CA(tmp_path / "other"), "-n", "127.0.0.1")
    with pytest.raises(ssh.HostCertificateWrong, match="an authority that nobody has trusted"):
        talk(add(server, ada, ca))


def test_an_authority_speaks_for_its_own_hosts_only(server: OpenSSH, ada: User, ca: CA) -> None:
    certify(server, ca, "-n", "127.0.0.1")
    with pytest.raises(ssh.HostKeyUnknown):
        talk(add(server, ada, ca, patterns="*.example.com"))
    host_authorities.trust(f"@cert-authority [127.0.0.1]:*,!web-1 {ca.line}", by=ada)
    with pytest.raises(ssh.HostKeyUnknown):
        talk(Host.objects.get())


def test_the_certificate_of_a_user_makes_no_host(server: OpenSSH, ada: User, ca: CA) -> None:
    """OpenSSH's server refuses to show one, so it is looked at without it."""
    ca.sign(server.folder / "host_key.pub", "-n", "127.0.0.1", host=False)
    words = (server.folder / "host_key-cert.pub").read_text().split()
    blob = base64.b64decode(words[1])
    authority = certificates.Authority(("*",), ca.line.split()[1])
    with pytest.raises(certificates.CertificateWrong, match="one of a user"):
        certificates.check_host(blob, names={"127.0.0.1"}, authorities=[authority])


def test_a_signature_that_was_changed_is_seen(server: OpenSSH, ca: CA) -> None:
    ca.sign(server.folder / "host_key.pub", "-n", "127.0.0.1")
    blob = bytearray(base64.b64decode((server.folder / "host_key-cert.pub").read_text().split()[1]))
    blob[-1] ^= 1
    authority = certificates.Authority(("*",), ca.line.split()[1])
    with pytest.raises(certificates.CertificateWrong, match="not signed as it says"):
        certificates.check_host(bytes(blob), names={"127.0.0.1"}, authorities=[authority])


def test_an_accepted_key_goes_on_being_accepted(server: OpenSSH, ada: User, ca: CA, tmp_path: Path) -> None:
    certify(server, CA(tmp_path / "other"), "-n", "127.0.0.1")
    host = add(server, ada, ca)
    adding_hosts.trust(host, ssh.scan_host(host), by=ada)
    assert talk(host) == b"here\n"
    adding_hosts.trust(host, [make_key()], by=ada, replace=True)
    with pytest.raises(ssh.HostCertificateWrong):
        talk(host)


def test_one_that_is_trusted_no_more_opens_nothing(
    server: OpenSSH, ada: User, ca: CA, django_capture_on_commit_callbacks: object
) -> None:
    certify(server, ca, "-n", "127.0.0.1")
    host = add(server, ada, ca)
    assert talk(host) == b"here\n"
    assert authorities.covers(host)
    with django_capture_on_commit_callbacks(execute=True):  # type: ignore[operator]
        host_authorities.distrust(HostAuthority.objects.get(), by=ada)
    with pytest.raises(ssh.HostKeyUnknown), ssh.program(host, host.user, "echo here"):
        pass
    kinds = Event.objects.filter(kind__startswith="authority.").order_by("id").values_list("kind", flat=True)
    assert list(kinds) == ["authority.trusted", "authority.distrusted"]


def test_a_probe_tells_what_is_wrong_with_it(server: OpenSSH, ada: User, ca: CA) -> None:
    certify(server, ca, "-n", "elsewhere")
    host = add(server, ada, ca)
    authorities.forget()
    seen = probing.examine(host, user=host.user, root="~/shop")
    assert ([trouble.kind for trouble in seen.troubles], seen.state, len(seen.shown)) == (
        ["host-certificate"],
        "confirm",
        1,
    )
    certify(server, ca, "-n", "web-1")
    seen = probing.examine(host, user=host.user, root="~/shop")
    assert (seen.state, seen.login) == ("ok", True)


@pytest.mark.parametrize(
    "lines", ["", "web-1 ssh-ed25519 AAAA", "@cert-authority *.example.com", "@cert-authority |1|abc=|def= {key}"]
)
def test_what_names_no_authority_changes_nothing(ada: User, ca: CA, lines: str) -> None:
    with pytest.raises(host_authorities.AuthorityWrong, match="Nothing was changed"):
        host_authorities.trust(lines.format(key=ca.line), by=ada)
    assert not HostAuthority.objects.exists()


def test_who_may_say_so(ca: CA) -> None:
    with pytest.raises(NotAllowed):
        host_authorities.trust(f"@cert-authority * {ca.line}", by=builders.make_user())


def test_the_doors(ada: User, ca: CA) -> None:
    client, line = sign_in(ada), f"@cert-authority *.example.com {ca.line}"
    client.post(reverse("trust-authority"), {"lines": line})
    page = text_of(client.get(reverse("settings-trust")).content)
    mark = ssh.fingerprint(ca.line.split()[1])
    assert "*.example.com" in page
    assert mark in page
    api = api_of(user=ada)
    check_problem(api.post("trust/authorities", {"lines": line}), 409, "taken")
    check_problem(api.post("trust/authorities", {"lines": "x"}), 400, "wrong-values")
    (row,) = api.get("trust/authorities").json()["items"]
    assert (row["patterns"], row["fingerprint"], row["accepted_by"]) == ("*.example.com", mark, "ada")
    assert api.delete(f"trust/authorities/{row['id']}").status_code == 204
    out = StringIO()
    call_command("hostkey", "trust-authority", line, stdout=out)
    assert f"*.example.com ssh-ed25519 {mark}" in out.getvalue()
    call_command("hostkey", "distrust-authority", mark)
    assert not HostAuthority.objects.exists()
    with pytest.raises(CommandError):
        call_command("hostkey", "distrust-authority", mark)
