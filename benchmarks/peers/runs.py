"""One deploy by one tool, in figures."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Run:
    """Seconds, megabytes, milliseconds. CPU, connections and programs are per host; `load` is the machine's."""

    scenario: str
    tool: str
    hosts: int
    wall: float
    control_cpu: float
    host_cpu: float
    memory: float
    skew: float
    connections: float
    programs: float
    load: float
