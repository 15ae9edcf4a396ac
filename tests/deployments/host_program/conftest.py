"""Fixtures: a host of each kind that we support."""

import contextlib
import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from deployments.host_values import Place, Release
from tests.deployments.host_program.hosts import Host, Tree, make_tools, release, tree
from tests.deployments.host_program.looking import processes_with

MakeHost = Callable[..., Host]


@pytest.fixture
def make_host(tmp_path: Path) -> Iterator[MakeHost]:
    """Hosts whose folder has a name that only right quoting survives."""
    hosts: list[Host] = []

    def make(kind: str = "dash", root: str = "a b'c \"$(touch canary)`id`\\") -> Host:
        folder = tmp_path / f"host{len(hosts)}"
        folder.mkdir()
        place = Place(str(folder / root), "shop/production")
        hosts.append(Host(place, make_tools(folder / "tools", kind), kind))
        return hosts[-1]

    yield make
    for host in hosts:
        for channel in host.channels:
            channel.kill()
    for line in processes_with(tmp_path):
        with contextlib.suppress(ProcessLookupError):
            os.kill(int(line.split()[0]), signal.SIGKILL)


@pytest.fixture
def host(make_host: MakeHost) -> Host:
    return make_host()


@pytest.fixture(params=["dash", "plain", "busybox", "perl"])
def any_host(request: pytest.FixtureRequest, make_host: MakeHost) -> Host:
    """dash with perl, flock, setsid and mv -T; without perl; nothing but busybox; nothing but POSIX tools and perl."""
    return make_host(request.param)


@pytest.fixture
def shop() -> Tree:
    return tree(
        {"index.html": "<h1>Shop</h1>\n", "bin/serve.sh": "#!/bin/sh\n", "empty": "", "latest": "-> index.html"}
    )


@pytest.fixture
def first() -> Release:
    return release(1)
