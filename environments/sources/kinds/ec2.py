"""Machines of Amazon EC2, chosen by region and tags, as DescribeInstances names them.

All regions are read, page by page, or nothing is: a list with a region left out would take its hosts away.
"""

import json
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings

from environments.sources import inventories, web_reading
from environments.sources.listing import (
    MOST_HOSTS,
    Asked,
    Field,
    Found,
    Listing,
    NotReadable,
    Told,
    Wrong,
    refuse_twice,
)
from environments.validation import LABEL, NAME
from notifications import outgoing

WAITS = True
PAGE = 500
Machine = tuple[str, Mapping[str, Any]]  # its region, and what EC2 says of it
MOST_REGIONS, MOST_TAGS = 40, 20
TOLD = Told(
    "ec2",
    "Amazon EC2",
    "Running machines of an Amazon account, by region and tags. Their tags become labels.",
    (
        Field("regions", "Regions", "Commas between them.", placeholder="eu-west-1, us-east-1"),
        Field(
            "tags",
            "Only machines with these tags",
            "Commas between them; a machine has all, those without a value with any. Empty: all machines.",
            required=False,
            placeholder="env=production, service=shop",
        ),
        Field(
            "reached_by",
            "Reached by",
            "`private` or `public` address, or by `name` (the private one) or `public-name`. Empty: private.",
            required=False,
            placeholder="private",
        ),
        Field("role_tag", "Roles are in the tag", "Commas or spaces between them. Empty: `role`.", required=False),
        Field(
            "place_tag",
            "The place is in the tag",
            "As `region/zone`. Empty, or where a machine lacks it: its region and availability zone.",
            required=False,
        ),
        Field("access_key", "Access key", "Empty: what the Deployer's own machine may.", required=False),
        Field("secret", "Secret access key", "Kept sealed, shown nowhere.", "secret", required=False),
        Field(
            "address",
            "Address of the service",
            "Only where it is not Amazon's own, as an endpoint in your network. Empty: Amazon's.",
            required=False,
            placeholder="https://ec2.example.com",
        ),
    ),
)
_REACHED = {
    "private": "PrivateIpAddress",
    "public": "PublicIpAddress",
    "name": "PrivateDnsName",
    "public-name": "PublicDnsName",
}
_REGION = r"[a-z]{2}(?:-[a-z]+){1,3}-[0-9]{1,2}"


def check(asked: Asked) -> Mapping[str, str]:
    said, problems = asked.settings, dict[str, str]()
    regions = _words(said.get("regions", ""))
    if not regions or len(regions) > MOST_REGIONS or not all(re.fullmatch(_REGION, region) for region in regions):
        problems["regions"] = f"Name 1 to {MOST_REGIONS} regions, as eu-west-1, with commas between them."
    tags = _pairs(said.get("tags", ""))
    if len(tags) > MOST_TAGS or not all(name and len(name) <= 128 and len(value) <= 256 for name, value in tags):
        problems["tags"] = f"At most {MOST_TAGS} tags, each as name=value or as name alone."
    if said.get("reached_by", "") not in ("", *_REACHED):
        problems["reached_by"] = f"A machine is reached by {', '.join(_REACHED)}."
    if bool(said.get("access_key")) != bool(asked.secret):
        problems["access_key"] = "An access key and its secret belong together: name both, or neither."
    if address := said.get("address", ""):
        problem = web_reading.check_address(address)
        problems |= {"address": problem} if problem else {}
    return problems


def read(asked: Asked) -> Listing:
    said = asked.settings
    machines = _ask(asked)
    if len(machines) > MOST_HOSTS:
        raise NotReadable(f"There are {len(machines)} machines; at most {MOST_HOSTS} come from one source. Name tags.")
    names = Counter(_name(_tags(machine)) for _, machine in machines)
    hosts, wrong = list[Found](), list[Wrong]()
    for region, machine in machines:
        try:
            hosts.append(_found(said, region, machine, names))
        except ValueError as error:
            wrong.append(Wrong(str(machine["InstanceId"]), str(error)))
    return Listing(refuse_twice(hosts, wrong), tuple(wrong))


def _ask(asked: Asked) -> list[Machine]:
    """The running machines of all regions, by a process of its own. Raises NotReadable."""
    if address := asked.settings.get("address", ""):
        _refuse_address(address)
    filters = [{"Name": "instance-state-name", "Values": ["running"]}]
    for name, value in _pairs(asked.settings.get("tags", "")):
        filters.append({"Name": f"tag:{name}", "Values": [value]} if value else {"Name": "tag-key", "Values": [name]})
    question = {
        "regions": list(dict.fromkeys(_words(asked.settings["regions"]))),
        "filters": filters,
        "page": PAGE,
        "address": address,
        "access_key": asked.settings.get("access_key", "") if asked.secret else "",
        "secret": asked.secret,
        "seconds": max(1.0, min(asked.seconds, 20.0)),
    }
    command = [sys.executable, "-m", "environments.sources.ec2_program"]
    try:
        done = subprocess.run(
            command,
            input=json.dumps(question),
            capture_output=True,
            text=True,
            timeout=asked.seconds,
            cwd=settings.BASE_DIR,
            check=False,
        )
        said = json.loads(done.stdout)
    except subprocess.TimeoutExpired:
        raise NotReadable(f"EC2 did not say within {asked.seconds:.0f} s which machines there are.") from None
    except ValueError:
        raise NotReadable("The program that asks EC2 ended without a word.") from None
    if said["refused"]:
        raise NotReadable(said["refused"])
    return [(region, machine) for region, machine in said["machines"]]


def _refuse_address(address: str) -> None:
    """What no source may ask, as everywhere. Raises NotReadable."""
    parts = urlsplit(address)
    port = parts.port or (443 if parts.scheme == "https" else 80)
    try:
        outgoing.look_up(parts.hostname or "", port, policy=settings.SOURCE_ADDRESSES)
    except (outgoing.AddressRefused, outgoing.NotReached) as refusal:
        raise NotReadable(str(refusal)) from None


def _found(said: Mapping[str, str], region: str, machine: Mapping[str, Any], names: Counter[str]) -> Found:
    """Raises ValueError with a sentence."""
    key, tags = str(machine["InstanceId"]), _tags(machine)
    way = said.get("reached_by") or "private"
    address = machine.get(_REACHED[way])
    if not address:
        raise ValueError(f"It has no {way.replace('-', ' ')}{' address' if 'name' not in way else ''}.")
    name = _name(tags)
    if name and names[name] > 1:
        name = f"{name[:54]}-{key[-8:]}"  # machines of one group are called alike
    place = tags.get(said.get("place_tag") or "", "")
    where, _, zone = place.partition("/") if place else (region, "", machine["Placement"]["AvailabilityZone"])
    facts = inventories.Facts(
        address=address,
        name=name,
        region=where,
        zone=zone,
        roles=re.sub(r"[,;+/]", " ", tags.get(said.get("role_tag") or "role", "")),
        labels=dict(_labels(tags)),
    )
    return inventories.make(key, facts)


def _tags(machine: Mapping[str, Any]) -> dict[str, str]:
    return {tag["Key"]: tag["Value"] for tag in machine.get("Tags", ())}


def _name(tags: Mapping[str, str]) -> str:
    """Of its Name tag, as far as a host may be called so; "" otherwise."""
    word = re.sub(r"[^a-z0-9]+", "-", tags.get("Name", "").lower()).strip("-")[:63].strip("-")
    return word if re.fullmatch(NAME, word) else ""


def _labels(tags: Mapping[str, str]) -> Iterable[tuple[str, str]]:
    """Those that can be labels; Amazon's own tell nothing that one chooses by."""
    for name, value in sorted(tags.items())[: inventories.MOST_LABELS]:
        if name == "Name" or name.startswith("aws:") or not re.fullmatch(LABEL, name):
            continue
        if len(value) <= 200 and value.isprintable() and "," not in value:
            yield name, value


def _words(text: str) -> list[str]:
    return text.replace(",", " ").split()


def _pairs(text: str) -> list[tuple[str, str]]:
    parts = (part.partition("=") for part in text.split(",") if part.strip())
    return [(name.strip(), value.strip()) for name, _, value in parts]
