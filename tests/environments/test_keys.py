"""The Deployer's own key pair: one, made or uploaded, its private part sealed."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from django.db import connection

from environments import keys
from environments.keys import KeyNotUsable
from environments.models import KeyPair
from notifications.models import Event

pytestmark = [pytest.mark.both_databases, pytest.mark.django_db]


def private_text(key: object, password: bytes = b"") -> str:
    encryption = serialization.BestAvailableEncryption(password) if password else serialization.NoEncryption()
    text: bytes = key.private_bytes(  # type: ignore[attr-defined]
        serialization.Encoding.PEM, serialization.PrivateFormat.OpenSSH, encryption
    )
    return text.decode()


def private_numbers(key: object) -> bytes:
    """Comparable, unlike OpenSSH's text with its random check numbers."""
    data: bytes = key.private_bytes(  # type: ignore[attr-defined]
        serialization.Encoding.DER, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return data


def test_it_is_made_once() -> None:
    assert keys.active_key_pair() is None
    made = keys.ensure_key_pair()
    assert keys.ensure_key_pair() == made
    assert made.public.startswith("ssh-ed25519 ")
    assert made.public.endswith(" deployer")
    assert "PRIVATE" not in made.private
    assert keys.private_text(made).startswith("-----BEGIN OPENSSH PRIVATE KEY-----")
    event = Event.objects.get(kind="key.created")
    assert event.facts == {"public": made.public}


@pytest.mark.django_db(transaction=True)
def test_of_many_that_want_it_at_once_one_makes_it() -> None:
    together = threading.Barrier(8)

    def ensure(_: int) -> int:
        try:
            together.wait(60)
            return keys.ensure_key_pair().pk
        finally:
            connection.close()

    with ThreadPoolExecutor(8) as pool:
        found = set(pool.map(ensure, range(8)))
    assert (len(found), KeyPair.objects.count(), Event.objects.count()) == (1, 1, 1)


@pytest.mark.parametrize(
    ("key", "kind"),
    [
        (ed25519.Ed25519PrivateKey.generate(), "ssh-ed25519"),
        (ec.generate_private_key(ec.SECP256R1()), "ecdsa-sha2-nistp256"),
        (rsa.generate_private_key(65537, 2048), "ssh-rsa"),
    ],
)
def test_an_uploaded_key_is_used_from_now_on(key: object, kind: str) -> None:
    before = keys.ensure_key_pair()
    pair = keys.upload_key_pair(private_text(key), by="ada")
    assert keys.active_key_pair() == pair
    assert pair.public.split()[0] == kind
    opened = serialization.load_ssh_private_key(keys.private_text(pair).encode(), password=None)
    assert private_numbers(opened) == private_numbers(key)
    assert not KeyPair.objects.get(pk=before.pk).active
    event = Event.objects.get(kind="key.uploaded")
    assert (event.actor, event.facts) == ("ada", {"public": pair.public})


@pytest.mark.parametrize(
    "text",
    [
        "",
        "nonsense",
        private_text(ed25519.Ed25519PrivateKey.generate(), b"secret"),
        "-----BEGIN OPENSSH PRIVATE KEY-----",
    ],
)
def test_a_key_that_cannot_be_used_changes_nothing(text: str) -> None:
    before = keys.ensure_key_pair()
    with pytest.raises(KeyNotUsable, match="Upload an OpenSSH key without a passphrase"):
        keys.upload_key_pair(text, by="ada")
    assert keys.active_key_pair() == before
    assert KeyPair.objects.count() == 1


def test_a_passphrase_opens_it_and_is_not_kept() -> None:
    key = ed25519.Ed25519PrivateKey.generate()
    text = private_text(key, b"seven words")
    with pytest.raises(KeyNotUsable, match="passphrase"):
        keys.upload_key_pair(text, by="ada", passphrase="another")
    pair = keys.upload_key_pair(text, by="ada", passphrase="seven words")
    opened = serialization.load_ssh_private_key(keys.private_text(pair).encode(), password=None)
    assert private_numbers(opened) == private_numbers(key)


def test_a_key_in_pem_is_taken_and_kept_as_openssh_writes_it() -> None:
    key = rsa.generate_private_key(65537, 2048)
    pem = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.TraditionalOpenSSL, serialization.NoEncryption()
    )
    pair = keys.upload_key_pair(pem.decode(), by="ada")
    assert keys.private_text(pair).startswith("-----BEGIN OPENSSH PRIVATE KEY-----")


def test_a_public_key_is_told_apart() -> None:
    with pytest.raises(KeyNotUsable, match="public key"):
        keys.upload_key_pair(keys.ensure_key_pair().public, by="ada")
