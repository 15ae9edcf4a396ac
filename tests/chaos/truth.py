"""Does the database say what is true on the hosts? Compared after every fault."""

import hashlib
import itertools
import os
from pathlib import Path

from deployments import log, recipes
from deployments.models import Deploy, HostRun, Placement
from deployments.spool import Lines, SpoolReader
from deployments.states import FINAL, RUN_FINAL, RunStatus
from tests.chaos.counted import printed, spans
from tests.deployments.fleet import FleetTarget


def check_true_end(place: FleetTarget, deploy: Deploy, *, secrets: frozenset[str] = frozenset()) -> None:
    """A final deploy, its host runs, its log, and what lies on each host agree."""
    deploy.refresh_from_db()
    assert deploy.status in FINAL, f"{deploy} is {deploy.status}"
    _check_log(deploy)
    for run in deploy.runs.select_related("host", "deploy__release", "deploy__target"):
        assert run.status in RUN_FINAL, f"{run} is {run.status} in a {deploy.status} deploy"
        root = place.root(run.host_name)
        if run.status != RunStatus.UNKNOWN:
            _check_current(place, run, root)
        _check_fences(place, root)
        _check_steps(run, root)
        if run.status == RunStatus.LIVE:
            _check_host_log(run, root, secrets)


def _check_log(deploy: Deploy) -> None:
    lines = list(log.read_all(deploy.pk))
    assert [line.n for line in lines] == list(range(1, deploy.lines + 1)), f"{deploy}: the log has a hole"
    digest = hashlib.sha256("".join(f"{line.text}\n" for line in lines).encode()).hexdigest()
    assert digest == deploy.log_sha256, f"{deploy}: the log is not what its end said"


def _check_current(place: FleetTarget, run: HostRun, root: Path) -> None:
    """`current`, its REVISION, the row of the placement, the host run and the journal tell one story."""
    assert run.deploy.release is not None
    link = root / "current"
    current = os.readlink(link).removeprefix("releases/") if link.is_symlink() else ""
    row = Placement.objects.filter(host=run.host, target=place.target).select_related("current").first()
    believed = row.current.name if row and row.current else ""
    assert current == believed, f"{run}: {current!r} serves, the database says {believed!r}"
    if current:
        assert row is not None
        assert row.current is not None
        assert (link / "REVISION").read_text().strip() == row.current.revision
    is_newest = not Deploy.objects.filter(target=place.target, number__gt=run.deploy.number).exists()
    if is_newest:
        own = current == run.deploy.release.name
        assert (run.switched_at is not None) == own, f"{run} is {run.status}, and {current!r} serves"
    switches = [line.split() for line in _lines(root / ".deployer/journal")]
    for before, after in itertools.pairwise(switches):
        assert after[3] == before[4], f"{run}: the journal has a hole between {before} and {after}"
    if switches:
        assert switches[-1][4] == current


def _check_fences(place: FleetTarget, root: Path) -> None:
    """Nothing of an older claim was done after a newer one's, and no host has seen more than was given out."""
    fences = [int(line.split()[1]) for line in _lines(root / ".deployer/journal")]
    assert fences == sorted(fences), f"{root}: an older claim switched after a newer one"
    seen = int((_lines(root / ".deployer/fence") or ["0"])[0])
    place.target.refresh_from_db(fields=["fence"])
    assert max([seen, *fences]) <= place.target.fence


def _check_steps(run: HostRun, root: Path) -> None:
    """Each step ran once at most, alone; for a host that went live: each did, to its end."""
    own = [span for span in spans(root) if span.number == run.deploy.number]
    names = [span.name for span in own]
    assert len(names) == len(set(names)), f"{run}: a step ran twice: {names}"
    if run.status == RunStatus.LIVE:
        asked = {
            step["name"]
            for phase in ("prepare", "restart", "after")
            for step in recipes.step_facts(run.deploy, phase, run.roles)
            if "marks" in step.get("command", "")
        }
        assert asked <= {span.name for span in own if span.whole}, f"{run}: {asked} of {own}"


def _check_host_log(run: HostRun, root: Path, secrets: frozenset[str]) -> None:
    """Count and digest of the stored lines are those of the host's own copy, cut and redacted in the same way."""
    copy = printed(root, run.deploy.number)
    reader = SpoolReader("no-mark", secrets)
    items = [*reader.feed(copy), *reader.end()]
    expected = [text for item in items if isinstance(item, Lines) for text in item.texts]
    stored = [line.text for line in log.read_all(run.deploy_id, host=run.host_name) if line.stream == "stdout"]
    assert _digest(stored) == _digest(expected), f"{run}: {len(stored)} lines are stored, {len(expected)} were printed"


def _digest(texts: list[str]) -> tuple[int, str]:
    return len(texts), hashlib.sha256("".join(f"{text}\n" for text in texts).encode()).hexdigest()


def _lines(path: Path) -> list[str]:
    return path.read_text().splitlines() if path.exists() else []


def executions_once(place: FleetTarget, deploy: Deploy) -> int:
    """On how many hosts the step that runs once per deploy has run."""
    return sum(
        any((span.number, span.name) == (deploy.number, "migrate") for span in spans(root)) for root in place.roots()
    )
