"""`fleet.json`: what the fleet tells the rest of the Deployer about its hosts."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass

from environments.demo.layout import DemoFolder, write_json


@dataclass(frozen=True, kw_only=True)
class FleetHost:
    """A listening demo host. `host_key` is an OpenSSH public key line, `folder` the HOME of its commands."""

    name: str
    address: str
    port: int
    host_key: str
    region: str
    zone: str
    environment: str
    folder: str
    application_ports: Mapping[str, int]


@dataclass(frozen=True)
class Fleet:
    """The process that runs the hosts, and the hosts by name."""

    pid: int
    hosts: Mapping[str, FleetHost]


def write_fleet(demo: DemoFolder, fleet: Fleet) -> None:
    """Replace the file in one step."""
    write_json(demo.fleet_file, {"pid": fleet.pid, "hosts": {name: asdict(row) for name, row in fleet.hosts.items()}})


def read_fleet(demo: DemoFolder) -> Fleet | None:
    """The fleet that was last written, None before the first start."""
    try:
        text = demo.fleet_file.read_text(encoding="utf-8")
    except FileNotFoundError:
        return None
    value = json.loads(text)
    return Fleet(value["pid"], {name: FleetHost(**row) for name, row in value["hosts"].items()})
