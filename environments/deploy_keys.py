"""The read-only key of one application's repository: made here, its public line shown, its private part sealed.

Each application has its own. Git hosts take a deploy key for one repository only, and one that leaks then opens no
other repository.
"""

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ed25519

from environments.models import Application
from environments.sealed import seal, unseal


def make_key() -> str:
    """A new private key in OpenSSH's format, sealed."""
    key = ed25519.Ed25519PrivateKey.generate()
    return seal(
        key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.OpenSSH, serialization.NoEncryption()
        ).decode()
    )


def public_line(application: Application) -> str:
    """The line for the git host's form of deploy keys; "" if there is no key, or one that cannot be read.

    Raises CannotOpen.
    """
    private = unseal(application.deploy_key)
    if not private:
        return ""
    try:
        key = serialization.load_ssh_private_key(private.encode(), password=None)
    except (ValueError, TypeError):
        return ""  # typed by a person, before keys were checked
    line = key.public_key().public_bytes(serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH)
    return f"{line.decode()} deployer-{application.name}"
