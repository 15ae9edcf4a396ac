"""SSH servers for tests, by paramiko: they record what they are asked for, and may be old or wrong on purpose."""

import socket
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

import paramiko

OLD_KEXINIT_LISTS = (
    "ecdh-sha2-nistp256",
    "ssh-rsa",  # signatures by SHA-1, and nothing else
    "aes128-ctr",
    "aes128-ctr",
    "hmac-sha2-256",
    "hmac-sha2-256",
    "none",
    "none",
    "",
    "",
)


class _Session(paramiko.ServerInterface):
    def __init__(self, server: "SSHServer") -> None:
        self._server = server

    def get_allowed_auths(self, username: str) -> str:
        return "publickey"

    def check_auth_publickey(self, username: str, key: paramiko.PKey) -> int:
        self._server.users.append(username)
        known = key.get_base64() in self._server.lets_in
        return paramiko.common.AUTH_SUCCESSFUL if known else paramiko.common.AUTH_FAILED

    def check_channel_request(self, kind: str, chanid: int) -> int:
        return paramiko.common.OPEN_SUCCEEDED

    def check_channel_exec_request(self, channel: paramiko.Channel, command: bytes) -> bool:
        self._server.commands.append(command.decode())
        threading.Thread(target=self._server.answer, args=(channel,), daemon=True).start()
        return self._server.starts_programs


@dataclass
class SSHServer:
    """`lets_in`: base64 of public keys. `commands` and `users` are what has arrived."""

    key: paramiko.PKey
    lets_in: set[str] = field(default_factory=set)
    strict_kex: bool = True
    starts_programs: bool = True
    commands: list[str] = field(default_factory=list)
    users: list[str] = field(default_factory=list)
    connections: int = 0

    def __post_init__(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._transports: list[paramiko.Transport] = []
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while True:
            try:
                sock, _ = self._listener.accept()
            except OSError:
                return
            self.connections += 1
            self._serve(sock)

    def _serve(self, sock: socket.socket) -> None:
        transport = paramiko.Transport(sock, strict_kex=self.strict_kex)
        transport.add_server_key(self.key)
        self._transports.append(transport)
        with suppress(paramiko.SSHException, EOFError, OSError):
            transport.start_server(event=threading.Event(), server=_Session(self))

    def answer(self, channel: paramiko.Channel) -> None:
        """Echo what comes, until the end of input."""
        with suppress(OSError, EOFError):
            channel.sendall(b"hello\n")
            while data := channel.recv(1024):
                channel.sendall(data)
            channel.send_exit_status(0)
            channel.close()

    def drop(self) -> None:
        """Cut all connections."""
        for transport in self._transports:
            transport.close()
        self._transports.clear()

    def stop(self) -> None:
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)  # on Linux a close alone does not end the accept
        self._listener.close()
        self.drop()


class OldServer(SSHServer):
    """Offers nothing newer than ssh-rsa with SHA-1 for its host key."""

    def _serve(self, sock: socket.socket) -> None:
        with sock, suppress(OSError):
            sock.sendall(b"SSH-2.0-old_1.0\r\n" + _kexinit())
            sock.settimeout(10)
            while sock.recv(4096):
                continue


def _kexinit() -> bytes:
    lists = b"".join(struct.pack(">I", len(names)) + names.encode() for names in OLD_KEXINIT_LISTS)
    payload = b"\x14" + b"c" * 16 + lists + b"\0" + b"\0\0\0\0"
    padding = 8 - (len(payload) + 5) % 8 + 8
    return struct.pack(">IB", len(payload) + padding + 1, padding) + payload + b"\0" * padding


@contextmanager
def a_server(kind: type[SSHServer] = SSHServer, **facts: object) -> Iterator[SSHServer]:
    server = kind(paramiko.ECDSAKey.generate(), **facts)  # type: ignore[arg-type]
    try:
        yield server
    finally:
        server.stop()
