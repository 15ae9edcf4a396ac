"""What can go wrong between us and a host; the package's docstring draws the tree."""


class SSHError(Exception):
    """`kind` is a word for machines; `str()` is the sentence for every door."""

    kind = "ssh"

    def __init__(self, host: str, text: str) -> None:
        self.host = host
        super().__init__(text)


class NoKeyPair(SSHError):
    kind = "no-key-pair"


class HostKeyUnknown(SSHError):
    kind = "host-key-unknown"


class HostKeyChanged(SSHError):
    kind = "host-key-changed"


class HostCertificateWrong(SSHError):
    kind = "host-certificate"


class KeyRefused(SSHError):
    kind = "key-refused"


class HostOutdated(SSHError):
    kind = "host-outdated"


class HostUnreachable(SSHError):
    kind = "unreachable"
