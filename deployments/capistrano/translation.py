"""A stage of Capistrano as an application, an environment, hosts and a target. Pure: nothing is made yet."""

import re
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Any

from django.core.exceptions import ValidationError

from deployments.capistrano.findings import Configuration, Finding
from deployments.capistrano.servers import Server
from deployments.capistrano.settings import NotStatic
from environments.validation import (
    validate_absolute,
    validate_address,
    validate_name,
    validate_ref,
    validate_relative,
    validate_repository,
    validate_root,
    validate_user,
)

LEAST_KEEP, MOST_KEEP = 2, 100
RELEASE_ROLE = "release"
_FIXED = {"current_directory": "current", "releases_directory": "releases", "shared_directory": "shared"}
# read below, or without meaning here
_KNOWN = {
    "application", "repo_url", "branch", "deploy_to", "keep_releases", "linked_dirs", "linked_files", "default_env",
    "tmp_dir", "format", "format_options", "log_level", "pty", "scm", "user", "ssh_options", "stage", "stages",
    "default_stage", "git_shallow_clone", "git_strategy", "local_user", "deploy_config_path", "stage_config_path",
    "print_config_variables", "use_sudo", "deploy_via", "connection_timeout", "git_wrapper_path", "rails_env",
    "git_max_concurrent_connections", "git_wait_interval", "airbrussh",
}  # fmt: skip


@dataclass
class HostPlan:
    name: str
    address: str
    port: int
    roles: list[str]


@dataclass
class Plan:
    """What a stage becomes. `problems` must be solved before anything is made; `findings` are for afterwards."""

    application: str = ""
    repository: str = ""
    branch: str = ""
    environment: str = ""
    root: str = ""
    user: str = ""
    keep: int = 5
    role: str = ""
    linked_dirs: list[str] = field(default_factory=list)
    linked_files: list[str] = field(default_factory=list)
    path_prepend: list[str] = field(default_factory=list)
    hosts: list[HostPlan] = field(default_factory=list)
    problems: list[Finding] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)

    @property
    def slug(self) -> str:
        return f"{self.application}/{self.environment}"


def translate(found: Configuration) -> Plan:
    plan = Plan(findings=list(found.findings))
    stage = _Stage(found, plan)
    plan.application = stage.name("application", "application")
    plan.environment = slug(found.stage)
    plan.repository = stage.text("repo_url", validate_repository, "repo_url")
    plan.branch = stage.branch()
    plan.root = stage.root()
    plan.keep = stage.keep()
    plan.linked_dirs = stage.paths("linked_dirs")
    plan.linked_files = stage.paths("linked_files")
    plan.path_prepend = stage.environment()
    plan.hosts = stage.hosts()
    plan.user = stage.user()
    stage.fixed()
    stage.rest()
    plan.findings += [Finding("", text) for text in found.settings.assumed]
    return plan


def slug(text: str) -> str:
    """A name as we allow it: `My_App` becomes `my-app`."""
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")[:63].strip("-")


class _Stage:
    def __init__(self, found: Configuration, plan: Plan) -> None:
        self.found, self.settings, self.plan = found, found.settings, plan

    def note(self, at: str, text: str) -> None:
        self.plan.findings.append(Finding(at, text))

    def problem(self, name: str, text: str) -> None:
        self.plan.problems.append(Finding(self.settings.at(name), text))

    def value(self, name: str, default: Any = None) -> Any:
        """What a setting comes to; a note and the default when only a run would tell."""
        try:
            return self.settings.fetch(name, default)
        except NotStatic as error:
            self.note(self.settings.at(name), f"{name} needs a run of Ruby (`{error}`). Say it with --set {name}=….")
            return default

    def text(self, name: str, check: Callable[[str], None], what: str) -> str:
        if not self.settings.has(name):
            self.problem(name, f"{what} is not set. Say it with --set {name}=….")
            return ""
        try:
            found = str(self.settings.fetch(name))
            check(found)
            return found
        except NotStatic as error:
            self.problem(name, f"{what} needs a run of Ruby (`{error}`). Say it with --set {name}=….")
        except ValidationError as error:
            self.problem(name, f"{what}: {error.messages[0]} Say another one with --set {name}=….")
        return ""

    def name(self, name: str, what: str) -> str:
        found = self.text(name, lambda text: validate_name(slug(text)), what)
        if found and slug(found) != found:
            self.note(self.settings.at(name), f"the {what} {found!r} is called {slug(found)} here.")
        return slug(found)

    def branch(self) -> str:
        found = str(self.value("branch", "master") or "master")
        try:
            validate_ref(found)
            return found
        except ValidationError:
            self.note(self.settings.at("branch"), f"the branch {found!r} is no name; main is taken.")
            return "main"

    def root(self) -> str:
        try:
            found = str(PurePosixPath(str(self.settings.root())))
            validate_root(found)
            return found
        except NotStatic as error:
            self.problem("deploy_to", f"deploy_to needs a run of Ruby (`{error}`). Say it with --set deploy_to=….")
        except ValidationError as error:
            self.problem("deploy_to", f"deploy_to: {error.messages[0]}")
        return ""

    def keep(self) -> int:
        found = self.value("keep_releases", 5)
        number = int(found) if str(found).isdigit() else 5
        kept = min(max(number, LEAST_KEEP), MOST_KEEP)
        if str(kept) != str(found):
            self.note(self.settings.at("keep_releases"), f"keep_releases is {found}; {kept} releases are kept here.")
        return kept

    def paths(self, name: str) -> list[str]:
        found = self.value(name, []) or []
        good = []
        for item in found if isinstance(found, list) else str(found).split(","):
            path = str(PurePosixPath(str(item)))
            try:
                validate_relative(path)
                good += [path] if path not in good else []
            except ValidationError as error:
                self.note(self.settings.at(name), f"{name}: {error.messages[0]}")
        return good

    def environment(self) -> list[str]:
        """Folders that `default_env` puts before PATH."""
        found = self.value("default_env", {}) or {}
        folders: list[str] = []
        for key, value in found.items() if isinstance(found, dict) else ():
            if str(key).upper() != "PATH":
                self.note(self.settings.at("default_env"), f"default_env sets {key}; set it in the steps that need it.")
                continue
            folders = [part for part in str(value).split(":") if part not in ("$PATH", "${PATH}")]
        return [folder for folder in folders if self._absolute(folder)]

    def _absolute(self, folder: str) -> bool:
        try:
            validate_absolute(folder)
            return True
        except ValidationError as error:
            self.note(self.settings.at("default_env"), f"PATH: {error.messages[0]}")
            return False

    def hosts(self) -> list[HostPlan]:
        servers = [server for server in self.found.servers.values() if self._reachable(server)]
        if not servers:
            self.problem("", "no server was found; add hosts and their memberships by hand, or name them in the stage.")
        names = _names(servers)
        kept = [server for server in servers if not server.properties.get("no_release")]
        aside = [server.address for server in servers if server.properties.get("no_release")]
        if aside:
            self._limit(servers, kept)
            self.note(servers[0].at, f"no_release: {', '.join(aside)} get no releases, by the role {self.plan.role}.")
        marked = self.plan.role == RELEASE_ROLE and bool(aside)
        for server in servers:
            self._properties(server)
        return [
            HostPlan(
                names[server.key],
                server.address,
                server.port,
                sorted(
                    {slug(role) for role in server.roles} | ({RELEASE_ROLE} if marked and server in kept else set())
                ),
            )
            for server in servers
        ]

    def _reachable(self, server: Server) -> bool:
        try:
            validate_address(server.address)
            return 1 <= server.port <= 65535
        except ValidationError as error:
            self.note(server.at, f"{error.messages[0]} Add the host by hand.")
            return False

    def _limit(self, servers: list[Server], kept: list[Server]) -> None:
        """A role that exactly those have which get releases, else one of our own."""
        roles = set.intersection(*({slug(role) for role in server.roles} for server in kept)) if kept else set()
        others = {slug(role) for server in servers if server not in kept for role in server.roles}
        self.plan.role = min(roles - others, default=RELEASE_ROLE)

    def _properties(self, server: Server) -> None:
        rest = sorted(set(server.properties) - {"primary", "no_release"})
        if rest:
            self.note(server.at, f"{server.address} has properties that nothing reads here: {', '.join(rest)}.")

    def user(self) -> str:
        options = self.value("ssh_options", {}) or {}
        usual = self.value("user") or (options.get("user") if isinstance(options, dict) else "") or ""
        if isinstance(options, dict) and options.get("proxy"):
            self.note(
                self.settings.at("ssh_options"), "hosts are reached through another machine: make that a gateway."
            )
        users = Counter(server.user or str(usual) for server in self.found.servers.values())
        users.pop("", None)
        chosen = str(self.settings.fixed.get("user") or (users.most_common(1)[0][0] if users else usual))
        if not chosen:
            self.problem("user", "no SSH user is named; Capistrano takes the local one. Say it with --set user=….")
            return ""
        if len(users) > 1:
            self.note("", f"servers have different users ({', '.join(sorted(users))}); the target has one: {chosen}.")
        try:
            validate_user(chosen)
        except ValidationError as error:
            self.problem("user", error.messages[0])
        return chosen

    def fixed(self) -> None:
        """What changes where things lie on hosts, and cannot be taken over."""
        for name, usual in _FIXED.items():
            found = self.value(name, usual)
            if found != usual:
                self.problem(name, f"{name} is {found!r}; here it is always {usual!r}. Rename it on the hosts first.")
        if self.settings.has("repo_tree"):
            self.problem("repo_tree", "repo_tree deploys a part of the repository only; here it is always all of it.")
        if str(self.value("scm", "git")) not in ("git", "default_git"):
            self.problem("scm", "only git is deployed here.")
        for name in ("git_http_username", "git_http_password"):
            if self.settings.has(name):
                self.note(self.settings.at(name), "store the user and token of the repository with the application.")

    def rest(self) -> None:
        handled = _KNOWN | set(_FIXED) | {"repo_tree", "repo_path", "git_http_username", "git_http_password"}
        for name in self.settings.variables:
            if name not in handled:
                self.note(self.settings.at(name), f"{name} is read by nothing here; a plugin or a task may need it.")


def _names(servers: list[Server]) -> dict[tuple[str, int], str]:
    """`web1` for web1.example.com, unless two would be called so; addresses in full."""
    short = {server.key: _short(server.address) for server in servers}
    count = Counter(short.values())
    found: dict[tuple[str, int], str] = {}
    for server in servers:
        name = short[server.key] if count[short[server.key]] == 1 else slug(server.address)
        found[server.key] = name if name not in found.values() else slug(f"{server.address}-{server.port}")
    return found


def _short(address: str) -> str:
    first = address.split(".")[0]
    return slug(address) if ":" in address or first.isdigit() else slug(first)
