"""Servers as a configuration names them: `deploy@web1.example.com:2222`."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

_SERVER = re.compile(r"(?:(?P<user>[^@]+)@)?(?P<address>\[[0-9A-Fa-f:]+\]|[^:\[\]\s]+)(?::(?P<port>\d{1,5}))?")


@dataclass
class Server:
    address: str
    port: int
    user: str
    at: str
    roles: list[str] = field(default_factory=list)
    properties: dict[str, Any] = field(default_factory=dict)
    proxied: bool = False

    @property
    def key(self) -> tuple[str, int]:
        return self.address, self.port

    def join(self, other: "Server") -> None:
        """The same server again, as with several roles."""
        self.user = other.user or self.user
        self.roles += [role for role in other.roles if role not in self.roles]
        self.properties |= other.properties


def server_of(text: str, properties: Mapping[str, Any], at: str) -> Server | None:
    """None if `text` is no address."""
    found = _SERVER.fullmatch(text.strip())
    if found is None:
        return None
    left = dict(properties)
    given = left.pop("ssh_options", None)
    options = given if isinstance(given, dict) else {}
    port = left.pop("port", None) or found["port"] or options.get("port") or 22
    user = left.pop("user", None) or found["user"] or options.get("user") or ""
    roles = left.pop("roles", None) or left.pop("role", None) or []
    if not str(port).isdigit():
        return None
    return Server(
        address=found["address"].strip("[]"),
        port=int(port),
        user=str(user),
        at=at,
        roles=[str(role) for role in (roles if isinstance(roles, list) else [roles])],
        properties=left,
        proxied=bool(options.get("proxy")),
    )
