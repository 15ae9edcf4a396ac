"""The Deployer itself: started as always, without the demo, given hosts and a target, asked by its API."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

from benchmarks.installation import Installation, running
from benchmarks.peers.accounting import Group
from benchmarks.peers.fleet import PORT, USER
from benchmarks.peers.scenario import Scenario
from benchmarks.peers.verify import KEEP, LINKED_DIRS, LINKED_FILES

POLL_SECONDS = 0.5  # as a CI job would

_PERSON = """
from environments.models import User
User.objects.create(username="bench", role="administrator")
"""
_TARGET = """
from environments.models import Application, Environment, Host, HostKey, Membership, Step, Target
application, _ = Application.objects.get_or_create(
    name="bench-{distribution}", defaults=dict(repository={url!r}, distribution={distribution!r})
)
environment = Environment.objects.create(name={name!r})
for number, address in enumerate({addresses!r}, 1):
    host, made = Host.objects.get_or_create(
        address=address, port={port}, defaults=dict(name=f"h{{address.replace('.', '-')}}")
    )
    if made:
        HostKey.objects.create(host=host, algorithm={algorithm!r}, key={key!r}, accepted_by="bench")
    Membership.objects.create(environment=environment, host=host)
target = Target.objects.create(
    application=application, environment=environment, root={root!r}, user={user!r}, keep={keep},
    linked_dirs={linked_dirs!r}, linked_files={linked_files!r},
)
Step.objects.create(target=target, position=1, name="check", phase="prepare", command="test -f config/app.yml")
Step.objects.create(target=target, position=2, name="restart", phase="restart", command="touch tmp/restart.txt")
"""


@dataclass(frozen=True)
class Product:
    """One running installation, whose processes are all in `group`."""

    deployer: Installation
    group: Group

    @property
    def public_key(self) -> str:
        return self.deployer.manage("key", "show").strip()

    def make_target(self, scenario: Scenario, place: str, tool: str, distribution: str) -> str:
        """A target for these hosts; its name for `deploy`."""
        algorithm, key = scenario.fleet.host_key
        name = f"{scenario.name}-{tool}"
        code = _TARGET.format(
            distribution=distribution,
            url=scenario.repository.url,
            name=name,
            addresses=list(scenario.reached),
            port=PORT,
            algorithm=algorithm,
            key=key,
            root=str(scenario.fleet.root / place),
            user=USER,
            keep=KEEP,
            linked_dirs=list(LINKED_DIRS),
            linked_files=list(LINKED_FILES),
        )
        self.deployer.manage("shell", "-c", code)
        return f"bench-{distribution}/{name}"

    def deploy(self, target: str) -> float:
        """Deploy main; seconds from the request to the final state."""
        began = time.time()
        deploy = self.deployer.call("POST", f"/targets/{target}/deploys", {"ref": "main"})
        while not deploy["finished_at"]:
            time.sleep(POLL_SECONDS)
            deploy = self.deployer.call("GET", f"/deploys/{deploy['id']}")
        if deploy["status"] != "succeeded":
            said = [f"{host['host']}: {host['error']}" for host in deploy["hosts"] if host["error"]]
            log = (self.deployer.var / "up.log").read_text()[-8000:]
            raise SystemExit(f"A deploy to {target} ended as {deploy['status']}: {deploy['reason']} {said[:3]}\n{log}")
        return datetime.fromisoformat(deploy["finished_at"]).timestamp() - began


@contextmanager
def product(group: Group, repositories: Path, database: str = "") -> Iterator[Product]:
    """Everything that `manage.py up` starts, in `group`."""
    environ = {"DEMO": "0", "REPOSITORY_ROOTS": str(repositories), "LOG_LEVEL": "WARNING"}
    if database:
        environ["DATABASE_URL"] = database
    with running(environ, group.enter) as bare:
        bare.manage("shell", "-c", _PERSON)
        yield Product(replace(bare, token=bare.new_token("bench")), group)
