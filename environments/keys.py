"""The Deployer's own key pair: made once or uploaded, the private part sealed."""

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ed25519
from django.db import IntegrityError, transaction

from environments.models import KeyPair
from environments.sealed import seal, unseal
from notifications import events


class KeyNotUsable(ValueError):
    """An uploaded private key cannot be used; the text says why."""


def active_key_pair() -> KeyPair | None:
    return KeyPair.objects.filter(active=True).first()


def private_text(pair: KeyPair) -> str:
    """The private key in OpenSSH's format. Raises CannotOpen."""
    return unseal(pair.private)


def ensure_key_pair() -> KeyPair:
    """The active key pair, made if there is none."""
    pair = active_key_pair()
    if pair:
        return pair
    key = ed25519.Ed25519PrivateKey.generate()
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.OpenSSH, serialization.NoEncryption()
    ).decode()
    try:
        with transaction.atomic():
            made = KeyPair.objects.create(public=_public_line(key), private=seal(private))
            events.record("key.created", "", public=made.public)
            return made
    except IntegrityError:  # another process was first
        return KeyPair.objects.get(active=True)


def upload_key_pair(private: str, *, by: str, passphrase: str = "") -> KeyPair:
    """Use an existing private key (OpenSSH or PEM) from now on; its passphrase is not kept. Raises KeyNotUsable."""
    key = _read_private(private, passphrase)
    plain = key.private_bytes(  # type: ignore[attr-defined]
        serialization.Encoding.PEM, serialization.PrivateFormat.OpenSSH, serialization.NoEncryption()
    )
    with transaction.atomic():
        KeyPair.objects.filter(active=True).update(active=False)
        pair = KeyPair.objects.create(public=_public_line(key), private=seal(plain.decode()))
        events.record("key.uploaded", by, public=pair.public)
    return pair


def _read_private(private: str, passphrase: str) -> object:
    if "PUBLIC KEY" in private or private.startswith(("ssh-", "ecdsa-")):
        raise KeyNotUsable("This is a public key. The private one is in the file without .pub.")
    opens = serialization.load_ssh_private_key if "OPENSSH" in private else serialization.load_pem_private_key
    try:
        return opens(private.encode(), password=passphrase.encode() or None)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise KeyNotUsable(
            f"This private key cannot be read ({error}). Upload an OpenSSH key without a passphrase, or say the "
            "passphrase too."
        ) from None


def _public_line(key: object) -> str:
    public = key.public_key()  # type: ignore[attr-defined]
    line = public.public_bytes(serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH)
    return f"{line.decode()} deployer"
