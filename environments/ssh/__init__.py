"""SSH by Fabric, behind one factory: pinned host keys, our own socket, warm connections.

Errors, each of which names the host:

    SSHError
    ├── NoKeyPair            the Deployer has no key pair yet
    ├── HostKeyUnknown       nobody has accepted a key of this host
    ├── HostKeyChanged       the host shows another key than the accepted one
    ├── HostCertificateWrong the host shows a certificate that counts for nothing, and no accepted key
    ├── KeyRefused           the host does not let our key in
    ├── HostOutdated         the host cannot speak SSH safely (strict key exchange, signatures better than SHA-1)
    └── HostUnreachable      no connection, or the link died
"""

from environments.ssh.errors import (
    HostCertificateWrong,
    HostKeyChanged,
    HostKeyUnknown,
    HostOutdated,
    HostUnreachable,
    KeyRefused,
    NoKeyPair,
    SSHError,
)
from environments.ssh.pool import close_idle, forget, scan_host
from environments.ssh.transport import Channel, program
from environments.ssh.wire import ScannedKey, fingerprint, scan

__all__ = [
    "Channel",
    "HostCertificateWrong",
    "HostKeyChanged",
    "HostKeyUnknown",
    "HostOutdated",
    "HostUnreachable",
    "KeyRefused",
    "NoKeyPair",
    "SSHError",
    "ScannedKey",
    "close_idle",
    "fingerprint",
    "forget",
    "program",
    "scan",
    "scan_host",
]
