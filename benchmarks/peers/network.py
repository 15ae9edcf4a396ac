"""The hosts' network: a namespace in which all their addresses are local, and a pair of virtual cables into it."""

import subprocess

NET, DELAYED_NET = "10.77", "10.78"
SPACE = "deploybench"
INSIDE = ("ip", "netns", "exec", SPACE)
_CABLE = "deploybench0"
_NEAR, _FAR = "10.76.0.1", "10.76.0.2"


def make() -> None:
    _run_ip("netns", "add", SPACE)
    _run_ip("link", "add", _CABLE, "type", "veth", "peer", "name", "deploybench1", "netns", SPACE)
    _run_ip("address", "add", f"{_NEAR}/30", "dev", _CABLE)
    _run_ip("link", "set", _CABLE, "up")
    inside = ("-n", SPACE)
    _run_ip(*inside, "address", "add", f"{_FAR}/30", "dev", "deploybench1")
    _run_ip(*inside, "link", "set", "deploybench1", "up")
    _run_ip(*inside, "link", "set", "lo", "up")
    _run_ip(*inside, "route", "add", "local", f"{NET}.0.0/16", "dev", "lo")
    _run_ip(*inside, "route", "add", "default", "via", _NEAR)
    _run_ip("route", "add", f"{NET}.0.0/16", "via", _FAR)


def remove() -> None:
    for words in (("link", "del", _CABLE), ("netns", "del", SPACE)):
        subprocess.run(["ip", *words], check=False, capture_output=True)


def delayed(address: str) -> str:
    """The address at which a delaying proxy stands in for a host."""
    return address.replace(NET, DELAYED_NET, 1)


def _run_ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=True)
