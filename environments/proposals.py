"""What a target probably needs, by the files of its repository. Pure: everything can be changed by the person.

Each way of building is a function that looks for its own files and adds what it knows.
"""

import json
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

from environments.editing_targets import StepPlan


class Tree(Protocol):
    """Files by their whole path."""

    def __contains__(self, name: str) -> bool: ...

    def text(self, name: str) -> str:
        """ "" for what is not there."""


@dataclass(frozen=True)
class Proposed:
    """A step with the reason for it; `sure` is False for one that the person should look at before taking it."""

    step: StepPlan
    why: str
    sure: bool = True


@dataclass
class Proposal:
    """`found` are the kinds of application that were recognised; links are paths with the reason for each."""

    found: list[str] = field(default_factory=list)
    steps: list[Proposed] = field(default_factory=list)
    linked_dirs: dict[str, str] = field(default_factory=dict)
    linked_files: dict[str, str] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    root: str = ""
    user: str = ""
    keep: int | None = None
    path_prepend: tuple[str, ...] = ()

    def add(
        self, name: str, why: str, *, preset: str = "command", sure: bool = True, phase: str = "", **values: object
    ) -> None:
        """One more step, unless there is one of that name."""
        if any(it.step.name == name for it in self.steps):
            return
        command = str(values.pop("command")) if preset == "command" else ""
        self.steps.append(Proposed(StepPlan(name, preset, values, command, phase), why, sure))


def propose(tree: Tree, *, name: str) -> Proposal:
    """For an application that is called `name`."""
    proposal = Proposal()
    for look in _LOOKS:
        look(tree, proposal, name)
    order = {"prepare": 0, "once": 1, "restart": 2, "after": 3}
    proposal.steps.sort(key=lambda it: order[str(it.step.fields()["phase"])])
    return proposal


def _ruby(tree: Tree, it: Proposal, name: str) -> None:
    if "Gemfile" not in tree:
        return
    rails = "config/application.rb" in tree
    lock = tree.text("Gemfile.lock") + tree.text("Gemfile")
    it.found.append("Ruby on Rails" if rails else "Ruby")
    it.add(
        "bundle",
        "Gemfile",
        command='bundle config set --local path "$DEPLOYER_SHARED_PATH/bundle"\n'
        "bundle config set --local without development:test\n"
        + ("bundle config set --local frozen true\n" if "Gemfile.lock" in tree else "")
        + "bundle install --jobs 4 --quiet",
    )
    it.linked_dirs |= {"log": "Ruby", "tmp/pids": "Ruby"}
    if rails:
        it.linked_dirs |= {"tmp/cache": "Rails", "tmp/sockets": "Rails"}
        _rails(tree, it)
    if "config.ru" in tree or rails:
        if "passenger" in lock or "tmp_restart" in tree.text("config/puma.rb"):
            it.add("restart", "watched by the server", preset="restart-touch-file", file="tmp/restart.txt")
        else:
            _unit(it, name, "config.ru")
    if re.search(r"^\s+sidekiq \(", lock, re.M):
        it.notes.append(
            "Gemfile.lock has sidekiq: add its unit to the restart, or the presets drain and spawn workers."
        )


def _rails(tree: Tree, it: Proposal) -> None:
    run = "RAILS_ENV=production bundle exec rails"
    if "config/storage.yml" in tree:
        it.linked_dirs["storage"] = "config/storage.yml"
    if "app/assets/config/manifest.js" in tree or "config/initializers/assets.rb" in tree:
        it.add(
            "assets",
            "app/assets",
            preset="asset-compile",
            command=f"{run} assets:precompile",
            output="public/assets",
        )
    if "db/schema.rb" in tree or "db/structure.sql" in tree or "config/database.yml" in tree:
        it.add(
            "migrate",
            "db",
            preset="database-migration",
            command=f"{run} db:migrate",
            down_command=f"{run} db:rollback",
        )
    if "config/credentials.yml.enc" in tree and "config/master.key" not in tree:
        it.linked_files["config/master.key"] = "it is not in the repository, and decrypts config/credentials.yml.enc"
    if "config/database.yml" not in tree:
        it.linked_files["config/database.yml"] = "it is not in the repository"


def _node(tree: Tree, it: Proposal, name: str) -> None:
    if "package.json" not in tree:
        return
    package = _json(tree.text("package.json"))
    scripts = package.get("scripts") if isinstance(package.get("scripts"), dict) else {}
    assert isinstance(scripts, dict)
    manager, install = _node_manager(tree)
    alone = not it.found
    it.found.append("Node.js")
    if "build" in scripts:
        it.add(
            "build",
            'package.json, script "build"',
            preset="asset-compile",
            install=install,
            command=f"{manager} run build",
        )
    elif alone or package.get("dependencies"):
        it.add("install", "package.json", command=install, sure=alone)
    if "start" in scripts and alone:
        _unit(it, name, 'package.json, script "start"')
    for script in ("migrate", "db:migrate"):
        if script in scripts:
            it.add(
                "migrate",
                f'package.json, script "{script}"',
                preset="database-migration",
                command=f"{manager} run {script}",
            )


def _node_manager(tree: Tree) -> tuple[str, str]:
    if "pnpm-lock.yaml" in tree:
        return "pnpm", "pnpm install --frozen-lockfile"
    if "yarn.lock" in tree:
        return "yarn", "yarn install --frozen-lockfile"
    return "npm", "npm ci" if "package-lock.json" in tree else "npm install --no-audit --no-fund"


def _php(tree: Tree, it: Proposal, name: str) -> None:
    if "composer.json" not in tree:
        return
    require = _json(tree.text("composer.json")).get("require")
    packages = set(require) if isinstance(require, dict) else set()
    it.add(
        "composer",
        "composer.json",
        command="composer install --no-dev --prefer-dist --no-interaction --optimize-autoloader",
    )
    if "artisan" in tree:
        it.found.append("Laravel")
        it.linked_dirs["storage"] = "Laravel"
        it.linked_files[".env"] = "Laravel's settings, which are not in the repository"
        it.add(
            "migrate",
            "artisan",
            preset="database-migration",
            command="php artisan migrate --force",
            down_command="php artisan migrate:rollback --force",
        )
        it.add(
            "cache-configuration",
            "artisan",
            command="php artisan config:cache && php artisan route:cache && php artisan view:cache",
            phase="prepare",
        )
        it.add("restart-queue", "artisan", command="php artisan queue:restart", phase="after", sure=False)
    elif "bin/console" in tree:
        it.found.append("Symfony")
        it.linked_dirs |= {"var/log": "Symfony", "var/sessions": "Symfony"}
        it.linked_files[".env.local"] = "Symfony's settings of this machine, which are not in the repository"
        it.add("cache", "bin/console", command="APP_ENV=prod php bin/console cache:warmup")
        if "doctrine/doctrine-migrations-bundle" in packages:
            it.add(
                "migrate",
                "doctrine/doctrine-migrations-bundle",
                preset="database-migration",
                command="APP_ENV=prod php bin/console doctrine:migrations:migrate -n --allow-no-migration",
            )
    else:
        it.found.append("PHP")
    it.add("refresh-php", "PHP keeps the paths of the release before", preset="php-realpath-refresh", sure=False)


def _python(tree: Tree, it: Proposal, name: str) -> None:
    wants = next((file for file in ("requirements.txt", "pyproject.toml") if file in tree), "")
    django = "manage.py" in tree
    if not wants and not django:
        return
    it.found.append("Django" if django else "Python")
    what = "-r requirements.txt" if wants == "requirements.txt" else "."
    if wants:
        it.add(
            "install",
            wants,
            command=f"python3 -m venv .venv\n.venv/bin/pip install --quiet --disable-pip-version-check {what}",
            sure=django or wants == "requirements.txt",
        )
    if django:
        it.linked_dirs["media"] = "Django's uploads; leave it out if there are none"
        it.add("static-files", "manage.py", command=".venv/bin/python manage.py collectstatic --noinput", sure=False)
        it.add("check", "manage.py", preset="lint", checks=[".venv/bin/python manage.py check --deploy"], sure=False)
        it.add(
            "migrate", "manage.py", preset="database-migration", command=".venv/bin/python manage.py migrate --noinput"
        )
    _unit(it, name, "Procfile" if "Procfile" in tree else "it has to take the new code")


def _go(tree: Tree, it: Proposal, name: str) -> None:
    if "go.mod" not in tree:
        return
    it.found.append("Go")
    it.add("build", "go.mod", command="mkdir -p bin && go build -o bin/ ./...")
    it.notes.append(
        "Go is compiled on each host here. If hosts have no Go, let the Deployer build once, or fetch what CI built."
    )
    _unit(it, name, "the new program has to start")


def _procfile(tree: Tree, it: Proposal, name: str) -> None:
    lines = re.findall(r"^([A-Za-z0-9_-]+):\s*(.+)$", tree.text("Procfile"), re.M)
    if not lines:
        return
    release = [command for kind, command in lines if kind == "release"]
    if release and not any(proposed.step.preset == "database-migration" for proposed in it.steps):
        it.add("release", "Procfile, release", preset="database-migration", command=release[0].strip())
    running = [kind.lower().replace("_", "-") for kind, _ in lines if kind != "release"]
    it.found += [] if it.found else ["Procfile"]
    if running:
        it.steps = [proposed for proposed in it.steps if proposed.step.preset != "restart-systemd"]
        units = [f"{name}-{kind}.service" for kind in running]
        it.add("restart", f"Procfile names {', '.join(running)}", preset="restart-systemd", units=units, sure=False)


def _containers(tree: Tree, it: Proposal, name: str) -> None:
    if "Dockerfile" in tree:
        it.notes.append(
            "There is a Dockerfile. Files are deployed here, not images; a step may still run docker on the hosts."
        )


def _environment_file(tree: Tree, it: Proposal, name: str) -> None:
    example = next((file for file in (".env.example", ".env.sample", ".env.dist", "env.example") if file in tree), "")
    if example and ".env" not in tree:
        it.linked_files.setdefault(".env", f"{example} is in the repository, .env is not")


def _plain(tree: Tree, it: Proposal, name: str) -> None:
    if it.found or it.steps:
        return
    if re.search(r"^build:", tree.text("Makefile"), re.M):
        it.found.append("Makefile")
        it.add("build", 'Makefile, target "build"', command="make build")
    elif "index.html" in tree or "public/index.html" in tree:
        it.found.append("A static site")


def _unit(it: Proposal, name: str, why: str) -> None:
    it.add("restart", why, preset="restart-systemd", units=[f"{name}.service"], sure=False)


def _json(text: str) -> dict[str, object]:
    try:
        found = json.loads(text)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


_LOOKS: tuple[Callable[[Tree, Proposal, str], None], ...] = (
    _ruby, _php, _python, _node, _go, _procfile, _containers, _environment_file, _plain,
)  # fmt: skip
