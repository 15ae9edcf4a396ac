"""How a target is deployed, as it was when the deploy was requested, in the words of host programs."""

from collections.abc import Sequence
from functools import lru_cache
from typing import Any, NamedTuple, TypedDict

from deployments import host_values, task_values
from deployments.models import Deploy, HostRun, Kind, Placement
from deployments.plain_steps import StepFacts, plain_steps
from deployments.recipe_file import RecipeFile
from deployments.states import RunStatus
from environments.models import Endpoint, Host, Membership, OnFailure, Phase, Target, Task, Zone

COMMAND = "command"
TASK = "task"
_TASK_FIELDS = ("name", "command", "time_limit", "silence_limit", "sudo", "repeatable")
_FIELDS = ("root", "user", "path_prepend", "shell", "umask", "keep", "linked_dirs", "linked_files")


def snapshot(target: Target, file: RecipeFile | None = None) -> dict[str, Any]:
    """Plain values: a change to the target does not change a deploy that has begun. `file`: what the repository says.

    Raises StepUnusable.
    """
    said = file or RecipeFile()
    pattern = target.pattern
    steps = plain_steps(said.laid_over([StepFacts.of(step) for step in pattern.steps.all()]))
    if target.command:
        steps.append(_command_step(target))
    return _fields(target) | {
        "steps": steps,
        "keep": said.keep or target.keep,
        "linked_dirs": list(dict.fromkeys([*pattern.linked_dirs, *said.linked_dirs])),
        "linked_files": list(dict.fromkeys([*pattern.linked_files, *said.linked_files])),
        "file": file.facts() if file else None,
        "by_command": bool(target.command),
    }


def _fields(target: Target) -> dict[str, Any]:
    """An endpoint lies elsewhere and keeps less; all else is as its target says now."""
    own = {name: getattr(target, name) for name in ("root", "keep")}
    return {name: getattr(target.pattern, name) for name in _FIELDS} | own


def file_of(deploy: Deploy) -> RecipeFile | None:
    """What the repository said of this release when it was deployed: for deploying the same release again."""
    facts = deploy.recipe.get("file")
    return RecipeFile.of_facts(facts) if facts else None


def _command_step(target: Target) -> dict[str, Any]:
    """What deploys a target that has no steps of ours: it runs once, never by guess; if it fails nothing switches."""
    limit = target.command_time_limit
    return {
        "name": COMMAND,
        "command": target.command,
        "phase": Phase.ONCE,
        "roles": [],
        "time_limit": limit,
        "silence_limit": limit,
        "sudo": False,
        "repeatable": False,
    }


def task_snapshot(task: Task, values: dict[str, str]) -> dict[str, Any]:
    """A recipe whose only step is the task, with what was entered for it."""
    step = {name: getattr(task, name) for name in _TASK_FIELDS} | {"phase": TASK, "roles": []}
    return _fields(task.target) | {"steps": [step], "task": {"name": task.name, "values": values}}


TAKE_AWAY = "take-away"


def away_snapshot(target: Target, file: RecipeFile | None = None) -> dict[str, Any]:
    """A recipe that takes an endpoint away: its only steps are those that stop what serves there."""
    steps = [step for step in snapshot(target, file)["steps"] if step["phase"] == Phase.STOP]
    return _fields(target) | {"steps": steps, "task": {"name": TAKE_AWAY, "values": {}, "takes_away": True}}


def takes_away(deploy: Deploy) -> bool:
    """Whether it takes its target, an endpoint, away."""
    return bool(deploy.recipe.get("task", {}).get("takes_away"))


def is_command(deploy: Deploy) -> bool:
    """Whether a command deploys, rather than the switch: then a rollback runs it too."""
    return bool(deploy.recipe.get("by_command"))


# Values that check themselves when they are made: once for all hosts of a deploy, not once for each.
_place = lru_cache(maxsize=64)(host_values.Place)
_release = lru_cache(maxsize=64)(host_values.Release)
_host_step = lru_cache(maxsize=512)(host_values.HostStep)


def place(deploy: Deploy) -> host_values.Place:
    recipe = deploy.recipe
    return _place(recipe["root"], deploy.target.slug, tuple(recipe["path_prepend"]), recipe["shell"], recipe["umask"])


def release(deploy: Deploy) -> host_values.Release:
    assert deploy.release is not None
    return _release(deploy.release.name, deploy.revision, deploy.number, deploy.by_name)


def step_facts(deploy: Deploy, phase: str, roles: list[str] | None = None) -> list[dict[str, Any]]:
    """The steps of one phase that a host with `roles` takes part in; None: of any host."""
    return [
        step
        for step in deploy.recipe["steps"]
        if step["phase"] == phase and (roles is None or not step["roles"] or set(step["roles"]) & set(roles))
    ]


def steps(deploy: Deploy, run: HostRun, phase: str) -> tuple[host_values.HostStep, ...]:
    return tuple(
        _host_step(step["name"], step["command"], step["time_limit"], step["silence_limit"], step["sudo"])
        for step in step_facts(deploy, phase, run.roles)
    )


def later_steps(deploy: Deploy, run: HostRun) -> tuple[host_values.HostStep, ...]:
    """What may run on this host after it was prepared; a rollback runs no migrations."""
    once = () if deploy.kind == Kind.ROLLBACK and not is_command(deploy) else (Phase.ONCE,)
    return tuple(step for phase in (*once, Phase.RESTART, Phase.AFTER) for step in steps(deploy, run, phase))


def may_repeat(deploy: Deploy, run: HostRun, phases: tuple[str, ...]) -> bool:
    return all(step["repeatable"] for phase in phases for step in step_facts(deploy, phase, run.roles))


def once_runs(deploy: Deploy) -> frozenset[int]:
    """The host runs that can take every step which runs once."""
    wanted = step_facts(deploy, Phase.ONCE)
    runs = deploy.runs.values_list("pk", "roles")
    return frozenset(pk for pk, roles in runs if len(step_facts(deploy, Phase.ONCE, roles)) == len(wanted))


def ports(deploy: Deploy, runs: list[HostRun]) -> dict[int | None, int | None]:
    """The target's port by host, where it has one."""
    hosts = {run.host_id for run in runs if run.host_id is not None}
    if deploy.target.name:  # an endpoint has one port, the same on all its hosts
        port = Endpoint.objects.filter(target=deploy.target_id).values_list("port", flat=True).first()
        return dict.fromkeys(hosts, port)
    places = Placement.objects.filter(target=deploy.target_id, colour="", port__isnull=False)
    return dict(places.filter(host__among=hosts).values_list("host_id", "port"))


def facts(deploy: Deploy) -> dict[str, str]:
    """Environment variables for steps that are the same on all hosts."""
    values = {
        "DEPLOYER_APPLICATION": deploy.target.application.name,
        "DEPLOYER_ENVIRONMENT": deploy.target.environment.name,
        "DEPLOYER_NUMBER": str(deploy.number),
        "DEPLOYER_REF": deploy.ref,
    }
    if deploy.target.name:
        address = Endpoint.objects.filter(target=deploy.target_id).values_list("address", flat=True).first()
        values |= {"DEPLOYER_ENDPOINT": deploy.target.name, "DEPLOYER_ADDRESS": address or ""}
    return values | task_values.variables(deploy.recipe.get("task", {}).get("values", {}))


def host_facts(run: HostRun, port: int | None) -> dict[str, str]:
    """Those of one host, besides what a host program adds by itself."""
    values = {
        "DEPLOYER_HOST": run.host_name,
        "DEPLOYER_REGION": run.region,
        "DEPLOYER_ZONE": run.zone,
        "DEPLOYER_ROLES": " ".join(run.roles),
    }
    return values | ({"DEPLOYER_PORT": str(port)} if port else {})


def waves(target: Target, members: list[Membership], left_out: Sequence[Host] = ()) -> dict[str, Any]:
    """The plan of a deploy to these hosts: together, which is one wave."""
    return {
        "waves": [{"hosts": len(members)}],
        "needed": target.needed,
        "needed_per_region": target.needed_per_region,
        "on_failure": target.on_failure,
        **({"left_out": [host.name for host in left_out]} if left_out else {}),
    }


class Thresholds(TypedDict):
    needed: int
    needed_per_region: int
    all_or_none: bool


def thresholds(deploy: Deploy) -> Thresholds:
    """How many hosts must be able to switch before any does, as the plan takes it."""
    return {
        "needed": deploy.plan.get("needed", 0),
        "needed_per_region": deploy.plan.get("needed_per_region", 0),
        "all_or_none": deploy.plan.get("on_failure") == OnFailure.ABORT,
    }


class NewRun(NamedTuple):
    """A row of HostRun to be; the names are its columns."""

    deploy_id: int
    host_id: int
    host_name: str
    region: str
    zone: str
    roles: list[str]
    status: str
    revision: str
    wave: int = 0
    step: str = ""
    error_kind: str = ""
    error: str = ""
    previous: str = ""
    fence: int = 0


def host_runs(deploy: Deploy, members: list[Membership], holders: set[int]) -> list[NewRun]:
    """A row per host, with what serves there now; the `holders` have the release already."""
    places = Placement.objects.filter(target=deploy.target, colour="", current__isnull=False)
    now_there = dict(places.values_list("host_id", "current__revision"))
    where: dict[int | None, tuple[str, str]] = {None: ("", "")}
    where |= {zone.pk: (zone.region.name, zone.name) for zone in Zone.objects.select_related("region")}
    return [
        NewRun(
            deploy.pk,
            member.host_id,
            member.host.name,
            *where[member.host.zone_id],
            member.roles,
            RunStatus.PREPARED if member.host_id in holders else RunStatus.PENDING,
            now_there.get(member.host_id, ""),
        )
        for member in members
    ]
