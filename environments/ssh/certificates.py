"""Host certificates of OpenSSH (PROTOCOL.certkeys), checked as ssh(1) does it. Pure, but for reading the clock.

CertificateWrong    `str()` says why, to be put behind "its certificate "
"""

import base64
import re
import time
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.serialization import SSHCertificate, SSHCertificateType

SUFFIX = "-cert-v01@openssh.com"
_TOLD = 3


class CertificateWrong(Exception):
    pass


@dataclass(frozen=True)
class Authority:
    """Who may sign keys of hosts: `key` is base64, `patterns` say for which hosts, as in known_hosts."""

    patterns: tuple[str, ...]
    key: str

    def covers(self, names: Iterable[str]) -> bool:
        """Whether it may speak for a host of these names."""
        found = list(names)
        if any(matches(name, pattern[1:]) for name in found for pattern in self.patterns if pattern.startswith("!")):
            return False
        return any(matches(name, pattern) for name in found for pattern in self.patterns)


def matches(name: str, pattern: str) -> bool:
    """Only `*` and `?` mean something; brackets stand for themselves."""
    wanted = re.escape(pattern.lower()).replace(r"\*", ".*").replace(r"\?", ".")
    return re.fullmatch(wanted, name.lower()) is not None


def read(blob: bytes) -> SSHCertificate:
    """A certificate as it travels. Raises CertificateWrong."""
    length = int.from_bytes(blob[:4], "big")
    line = blob[4 : 4 + length] + b" " + base64.b64encode(blob)
    try:
        found = serialization.load_ssh_public_identity(line)
    except (ValueError, UnsupportedAlgorithm, InvalidSignature) as error:
        raise CertificateWrong(f"cannot be read ({error})") from None
    if not isinstance(found, SSHCertificate):
        raise CertificateWrong("is none")
    return found


def blob_of(line: str) -> bytes:
    """Of a line as `ssh-ed25519-cert-v01@openssh.com AAAA…`. Raises CertificateWrong."""
    words = line.split()
    try:
        blob = base64.b64decode(words[1], validate=True)
    except (IndexError, ValueError):
        raise CertificateWrong("is none") from None
    if SUFFIX not in words[0] or blob[4 : 4 + int.from_bytes(blob[:4], "big")] != words[0].encode():
        raise CertificateWrong("is none")
    return blob


def check_host(
    blob: bytes, *, names: Collection[str], authorities: Sequence[Authority], now: Callable[[], float] = time.time
) -> None:
    """Whether it makes the key within it that of a host of these names, for whom these authorities may speak.

    Raises CertificateWrong.
    """
    certificate = read(blob)
    signer = certificate.signature_key().public_bytes(
        serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH
    )
    known = {one.key for one in authorities}
    if signer.decode().split()[1] not in known:
        raise CertificateWrong("is signed by an authority that nobody has trusted for it")
    try:
        certificate.verify_cert_signature()
    except InvalidSignature:
        raise CertificateWrong("is not signed as it says") from None
    if certificate.type != SSHCertificateType.HOST:
        raise CertificateWrong("is one of a user, not of a host")
    principals = [principal.decode(errors="replace") for principal in certificate.valid_principals]
    if not any(matches(name, principal) for name in names for principal in principals):
        told = ", ".join(principals[:_TOLD]) or "no host at all"
        raise CertificateWrong(f"is for {told}, not for {' or '.join(sorted(names))}")
    if certificate.critical_options:
        raise CertificateWrong("asks for something that is not known here")
    check_time(certificate, now())


def check_time(certificate: SSHCertificate, now: float) -> None:
    """Raises CertificateWrong."""
    if now < certificate.valid_after:
        raise CertificateWrong(f"is not valid before {_tell(certificate.valid_after)}")
    if now >= certificate.valid_before:
        raise CertificateWrong(f"has ended on {_tell(certificate.valid_before)}")


def _tell(seconds: int) -> str:
    try:
        return f"{datetime.fromtimestamp(seconds, tz=UTC):%d %b %Y %H:%M} UTC"
    except (OverflowError, ValueError, OSError):
        return "a day that never comes"


def key_within(blob: bytes) -> str:
    """The public key that it certifies, base64. Raises CertificateWrong."""
    key = read(blob).public_key()
    line = key.public_bytes(serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH)
    return line.decode().split()[1]
