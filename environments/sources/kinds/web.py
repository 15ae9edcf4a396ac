"""An address that returns JSON: a plain list, or what Ansible's dynamic inventories print."""

from collections.abc import Mapping

from environments.sources import json_reading, web_reading
from environments.sources.listing import Asked, Field, Listing, Told

WAITS = True
TOLD = Told(
    "web",
    "Web address",
    "An https address that returns JSON: a plain list of hosts, or what Ansible's inventory scripts print.",
    (
        Field("address", "Address", "", "line", placeholder="https://inventory.example.com/hosts.json"),
        Field("group", "Only hosts of this group", "With all groups below it; empty: all hosts.", required=False),
        Field("login", "User", "For a password. Empty: what follows is a bearer token.", required=False),
        Field("secret", "Token or password", "Kept sealed, shown nowhere.", "secret", required=False),
        Field(
            "authorities",
            "Authority of its certificate",
            "As PEM, where it is none of those that this machine trusts.",
            "area",
            required=False,
            placeholder="-----BEGIN CERTIFICATE-----",
        ),
    ),
)


def check(asked: Asked) -> Mapping[str, str]:
    address = asked.settings.get("address", "")
    if problem := web_reading.check_address(address):
        return {"address": problem}
    if asked.secret and address.startswith("http://"):
        return {"address": "A token is not sent over http, where others may read it. Use https."}
    return {}


def read(asked: Asked) -> Listing:
    said = asked.settings
    body = web_reading.read(
        said["address"],
        user=said.get("login", ""),
        token=asked.secret,
        authorities=said.get("authorities", ""),
        seconds=asked.seconds,
    )
    return json_reading.read(body, group=said.get("group", ""), what=said["address"])
