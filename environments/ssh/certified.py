"""Signing in to hosts that show a certificate: which kinds are asked for, and what of it counts.

Where an authority may speak for a host, certificates are asked for first. One that counts for nothing is told; the key
within it may still be one that a person has accepted, as for ssh(1).
"""

from collections.abc import Collection, Sequence

import paramiko
from paramiko.ssh_exception import SSHException

from environments.models import Host, HostKey
from environments.ssh import authorities
from environments.ssh.certificates import SUFFIX, Authority, CertificateWrong, check_host
from environments.ssh.errors import HostCertificateWrong, HostKeyChanged, SSHError
from environments.ssh.wire import Transport


class NotCertified(SSHException):
    """`told` is the error for every door."""

    def __init__(self, told: SSHError) -> None:
        self.told = told
        super().__init__(str(told))


def certified(accepted: Collection[str]) -> type[Transport]:
    """A transport that prefers certificates, then keys of the kinds that somebody has accepted."""
    wanted = {
        name for kind in accepted for name in (("rsa-sha2-512", "rsa-sha2-256") if kind == "ssh-rsa" else (kind,))
    }

    class Certified(Transport):
        @property
        def preferred_keys(self) -> tuple[str, ...]:
            names = super().preferred_keys
            return tuple(sorted(names, key=lambda name: (SUFFIX not in name, name.removesuffix(SUFFIX) not in wanted)))

    return Certified


class ByCertificate(paramiko.MissingHostKeyPolicy):
    """Lets in whoever shows a certificate of a trusted authority, or a key that a person has accepted."""

    def __init__(self, host: Host, trusted: Sequence[Authority], accepted: Collection[HostKey]) -> None:
        self._host = host
        self._trusted = trusted
        self._accepted = {row.key for row in accepted}

    def missing_host_key(self, client: paramiko.SSHClient, hostname: str, key: paramiko.PKey) -> None:
        """Raises NotCertified."""
        why = self._why_not(key)
        if why and key.get_base64() not in self._accepted:
            raise NotCertified(self._tell(why))

    def _why_not(self, key: paramiko.PKey) -> str:
        """What is wrong with its certificate; "" if it counts."""
        certificate = key.public_blob
        if certificate is None:
            return "none"
        try:
            check_host(certificate.key_blob, names=authorities.names_of(self._host), authorities=self._trusted)
        except CertificateWrong as wrong:
            return str(wrong)
        return ""

    def _tell(self, why: str) -> SSHError:
        name = self._host.name
        if why == "none" and self._accepted:
            return HostKeyChanged(
                name,
                f"{name} shows no certificate, and another host key than the accepted one, so no command was sent. "
                f"Compare the fingerprint with `manage.py hostkey scan {name}`.",
            )
        told = "it shows none" if why == "none" else f"its certificate {why}"
        return HostCertificateWrong(
            name,
            f"{name} is to be trusted by a certificate, but {told}, so no command was sent. Have its key signed anew, "
            f"or compare its fingerprint and accept it with `manage.py hostkey scan {name}`.",
        )
