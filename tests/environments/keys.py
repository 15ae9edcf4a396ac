"""Keys of hosts, for tests."""

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ed25519

from environments.models import Host, HostKey
from environments.ssh import ScannedKey


def make_key(algorithm: str = "ssh-ed25519") -> ScannedKey:
    public = ed25519.Ed25519PrivateKey.generate().public_key()
    line = public.public_bytes(serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH).decode()
    return ScannedKey(algorithm, line.split()[1])


def trusted(host: Host) -> set[str]:
    return set(HostKey.objects.filter(host=host).values_list("key", flat=True))
