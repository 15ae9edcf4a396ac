"""An Ansible inventory that is kept here, as INI or YAML."""

import re
from collections.abc import Mapping
from dataclasses import replace

from environments.sources import ansible_ini, ansible_yaml, inventories
from environments.sources.listing import Asked, Field, Listing, Told

WAITS = False
TOLD = Told(
    "ansible",
    "Ansible inventory",
    "An inventory file, INI or YAML, that is kept here: groups, children, vars and ranges; nothing of it is run.",
    (
        Field(
            "inventory",
            "The inventory",
            "`ansible_host`, `ansible_port`, `ansible_user` and `deployer_…` are read. Groups become roles.",
            "area",
            placeholder="[web]\nweb[01:20].example.com ansible_user=www",
        ),
        Field("group", "Only hosts of this group", "With all groups below it; empty: all hosts.", required=False),
    ),
)
_YAML = re.compile(r"---.*|[\w.\"'-]+:\s*(?:#.*|\{.*)?")


def check(asked: Asked) -> Mapping[str, str]:
    return {} if asked.settings.get("inventory", "").strip() else {"inventory": "Paste the inventory."}


def read(asked: Asked) -> Listing:
    text = asked.settings["inventory"]
    inventory, wrong = (ansible_yaml if _is_yaml(text) else ansible_ini).read(text)
    found = inventories.flatten(inventory, group=asked.settings.get("group", ""), what="The inventory")
    return replace(found, wrong=(*wrong, *found.wrong))


def _is_yaml(text: str) -> bool:
    """By its first line that says something: `all:` or `---`. In an INI file that would be no host."""
    lines = (line.strip() for line in text.splitlines())
    first = next((line for line in lines if line and line[0] not in "#;"), "")
    return _YAML.fullmatch(first) is not None
