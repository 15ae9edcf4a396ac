"""Builders for tests: each makes one thing with sensible values, and what it needs when that is not given."""

import atexit
import functools
import itertools
import secrets
import shutil
import subprocess
import tempfile
from datetime import timedelta
from pathlib import Path
from typing import Any

from django.utils import timezone

from deployments.models import Deploy, HostRun, LogChunk, Placement, Release, ReleaseKind, Standing, Trigger
from deployments.models.logs import Stream
from deployments.states import FINAL, DeployStatus, RunStatus
from environments import tokens
from environments.models import (
    Application,
    Endpoint,
    Environment,
    Host,
    HostKey,
    Lock,
    Membership,
    Region,
    Role,
    Step,
    Target,
    User,
    Zone,
)

REVISION = "0123456789abcdef0123456789abcdef01234567"
# A real ed25519 public key; nobody has its private part.
PUBLIC_KEY = "AAAAC3NzaC1lZDI1NTE5AAAAIAABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f"
_count = itertools.count(1)


def make_user(*, username: str = "", role: str = Role.DEPLOYER, **fields: Any) -> User:
    name = username or f"person{next(_count)}"
    return User.objects.create_user(name, role=role, password=fields.pop("password", None), **fields)


def make_token(*, user: User | None = None, machine: bool = False) -> str:
    return tokens.create(user=user or make_user(), machine=machine)


def make_zone(*, region: str = "europe", zone: str = "a") -> Zone:
    place, _ = Region.objects.get_or_create(name=region)
    return Zone.objects.get_or_create(region=place, name=zone)[0]


def make_application(*, name: str = "", repository: Path | str = "", **fields: Any) -> Application:
    address = f"file://{repository}" if isinstance(repository, Path) else repository
    word = name or f"app{next(_count)}"
    return Application.objects.create(name=word, repository=address or f"https://git.example/{word}.git", **fields)


def make_environment(*, name: str = "", **fields: Any) -> Environment:
    return Environment.objects.create(name=name or f"env{next(_count)}", **fields)


def make_host(
    *,
    name: str = "",
    environment: Environment | None = None,
    zone: Zone | None = None,
    roles: list[str] | None = None,
    key: str = "",
    **fields: Any,
) -> Host:
    """A host; with an environment, a member of it; with a key, one that is trusted."""
    host = Host.objects.create(
        name=name or f"host{next(_count)}", address=fields.pop("address", "127.0.0.1"), zone=zone, **fields
    )
    if environment:
        Membership.objects.create(environment=environment, host=host, roles=roles or [])
    if key:
        HostKey.objects.create(host=host, algorithm="ssh-ed25519", key=key, accepted_by="tests")
    return host


def make_target(
    *,
    application: Application | None = None,
    environment: Environment | None = None,
    hosts: int = 0,
    **fields: Any,
) -> Target:
    """A target; with `hosts`, that many of them in its environment."""
    app, place = application or make_application(), environment or make_environment()
    target = Target.objects.create(application=app, environment=place, root=fields.pop("root", "/srv/app"), **fields)
    for _ in range(hosts):
        make_host(environment=place, zone=make_zone())
    return target


def make_endpoint(*, parent: Target, name: str, branch: str = "main", **fields: Any) -> Endpoint:
    """One that is there, whose first deploy is still to come."""
    place = {"application": parent.application, "environment": parent.environment, "parent": parent}
    target = Target.objects.create(name=name, root=f"{parent.root}/endpoints/{name}", **place)
    now = timezone.now()
    facts = {"made_at": now, "until": now + timedelta(days=3), "by_name": "Ada", "address": f"http://{target.slug}"}
    return Endpoint.objects.create(target=target, environment=parent.environment, branch=branch, **(facts | fields))


def make_step(*, target: Target, name: str = "", command: str = "true", **fields: Any) -> Step:
    return Step.objects.create(target=target, name=name or f"step{next(_count)}", command=command, **fields)


def make_release(*, target: Target, revision: str = REVISION, ref: str = "main", **fields: Any) -> Release:
    name = f"20260101{next(_count):06}-{revision[:7]}"
    return Release.objects.create(
        target=target, name=name, revision=revision, ref=ref, kind=fields.pop("kind", ReleaseKind.ARCHIVE), **fields
    )


def make_deploy(
    *,
    target: Target | None = None,
    status: str = DeployStatus.SUCCEEDED,
    by: User | None = None,
    release: Release | None = None,
    **fields: Any,
) -> Deploy:
    """A row of history as lifecycle would have left it, with the next number of its target."""
    where = target or make_target()
    laid_out = release or make_release(target=where, revision=fields.get("revision", REVISION))
    where.last_number += 1
    Target.objects.filter(pk=where.pk).update(last_number=where.last_number)
    now = timezone.now()
    values: dict[str, Any] = {
        "key": secrets.token_hex(8),
        "number": where.last_number,
        "trigger": Trigger.PAGE,
        "ref": laid_out.ref,
        "revision": laid_out.revision,
        "by_name": by.full_name if by else "the Deployer",
        "started_at": None if status == DeployStatus.WAITING else now,
        "finished_at": now if status in FINAL else None,
    }
    deploy = Deploy.objects.create(target=where, status=status, by=by, release=laid_out, **(values | fields))
    facts = {"latest": deploy} | ({"live": deploy} if status == DeployStatus.SUCCEEDED else {})
    Standing.objects.update_or_create(target=where, defaults=facts)
    return deploy


def make_run(*, deploy: Deploy, host: Host | None = None, status: str = RunStatus.LIVE, **fields: Any) -> HostRun:
    machine = host or make_host()
    zone = machine.zone
    facts = {
        "region": zone.region.name if zone else "",
        "zone": zone.name if zone else "",
        "switched_at": timezone.now() if status in (RunStatus.SWITCHED, RunStatus.LIVE) else None,
    }
    return HostRun.objects.create(
        deploy=deploy, host=machine, host_name=machine.name, status=status, **(facts | fields)
    )


def make_placement(*, host: Host, target: Target, current: Release | None = None, **fields: Any) -> Placement:
    return Placement.objects.create(host=host, target=target, current=current, **fields)


def make_lines(*, deploy: Deploy, texts: list[str], host: str = "", stream: str = Stream.DEPLOYER) -> LogChunk:
    """One chunk of stored lines, numbered after those that are there."""
    deploy.refresh_from_db(fields=["lines"])
    first = deploy.lines + 1
    deploy.lines += len(texts)
    chunk = LogChunk.objects.create(
        deploy=deploy,
        host_name=host,
        stream=stream,
        first_n=first,
        last_n=deploy.lines,
        at=timezone.now(),
        text="\n".join(texts),
    )
    Deploy.objects.filter(pk=deploy.pk).update(lines=deploy.lines)
    return chunk


def make_lock(*, target: Target, by: User, hours: float = 1, reason: str = "a demo", **fields: Any) -> Lock:
    """A lock of this target that `by` holds, as the verb would have written it."""
    now = timezone.now()
    facts = {"scope": target.slug, "environment": target.environment, "target": target, "holder_name": by.full_name}
    times = {"since": now, "until": now + timedelta(hours=hours)}
    return Lock.objects.create(holder=by, reason=reason, **(facts | times | fields))


def make_repository(folder: Path, *, files: dict[str, str] | None = None, branches: tuple[str, ...] = ()) -> str:
    """A git repository at `folder` with one commit on main (and on `branches`); returns that commit's 40 hex digits.

    The test must allow the folder: `settings.REPOSITORY_ROOTS = [tmp_path]`.
    """
    made, revision = _made_repository(tuple((files or {"README": "A test.\n"}).items()), branches)
    shutil.copytree(made, folder, dirs_exist_ok=True)
    return revision


@functools.cache
def _made_repository(files: tuple[tuple[str, str], ...], branches: tuple[str, ...]) -> tuple[Path, str]:
    """To be copied, for git starts a process for each of these steps."""
    folder = Path(tempfile.mkdtemp(prefix="deployer-test-repository-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    _git(folder, "init", "--quiet", "--initial-branch=main", "--template=", str(folder))
    for name, text in files:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    _git(folder, "add", "--all")
    _git(folder, "commit", "--quiet", "--message=First")
    for branch in branches:
        _git(folder, "branch", branch)
    return folder, _git(folder, "rev-parse", "HEAD").strip()


def commit(folder: Path, files: dict[str, str]) -> str:
    """One more commit in a repository of `make_repository`; its 40 hex digits."""
    for name, text in files.items():
        (folder / name).write_text(text)
    _git(folder, "add", "--all")
    _git(folder, "commit", "--quiet", f"--message=Change {', '.join(files)}")
    return _git(folder, "rev-parse", "HEAD").strip()


def _git(folder: Path, *arguments: str) -> str:
    who = ["-c", "user.name=Tests", "-c", "user.email=tests@example.com"]
    return subprocess.run(["git", *who, *arguments], cwd=folder, check=True, capture_output=True, text=True).stdout
