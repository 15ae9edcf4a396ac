"""What is proposed by the files of a repository."""

from collections.abc import Mapping
from dataclasses import dataclass

import pytest

from environments import presets, proposals
from environments.proposals import Proposal


@dataclass
class Tree:
    files: Mapping[str, str]

    def __contains__(self, name: str) -> bool:
        return name in self.files

    def text(self, name: str) -> str:
        return self.files.get(name, "")


def of(files: Mapping[str, str]) -> Proposal:
    return proposals.propose(Tree(files), name="shop")


def steps(found: Proposal) -> list[tuple[str, str, bool]]:
    return [(it.step.name, str(it.step.fields()["phase"]), it.sure) for it in found.steps]


RAILS = {
    "Gemfile": "gem 'rails'",
    "Gemfile.lock": "    passenger (6.0)\n    sidekiq (7.0)\n",
    "config/application.rb": "",
    "config/storage.yml": "",
    "config/credentials.yml.enc": "",
    "app/assets/config/manifest.js": "",
    "db/schema.rb": "",
}


def test_rails() -> None:
    found = of(RAILS)
    assert found.found == ["Ruby on Rails"]
    assert steps(found) == [
        ("bundle", "prepare", True),
        ("assets", "prepare", True),
        ("migrate", "once", True),
        ("restart", "restart", True),
    ]
    assert {"log", "tmp/pids", "tmp/cache", "storage"} <= set(found.linked_dirs)
    assert set(found.linked_files) == {"config/master.key", "config/database.yml"}
    assert "frozen" in found.steps[0].step.command
    assert "sidekiq" in found.notes[0]


def test_a_server_that_is_not_known_leaves_the_unit_to_the_person() -> None:
    found = of({**RAILS, "Gemfile.lock": "    puma (6.0)\n"})
    (restart,) = (it for it in found.steps if it.step.name == "restart")
    assert (restart.step.preset, restart.sure) == ("restart-systemd", False)
    assert restart.step.parameters == {"units": ["shop.service"]}


@pytest.mark.parametrize(
    ("lock", "install"),
    [
        ("package-lock.json", "npm ci"),
        ("yarn.lock", "yarn install --frozen-lockfile"),
        ("pnpm-lock.yaml", "pnpm install --frozen-lockfile"),
        ("x", "npm install --no-audit --no-fund"),
    ],
)
def test_node(lock: str, install: str) -> None:
    found = of({"package.json": '{"scripts": {"build": "vite", "start": "node ."}}', lock: ""})
    assert found.found == ["Node.js"]
    assert steps(found) == [("build", "prepare", True), ("restart", "restart", False)]
    assert found.steps[0].step.parameters["install"] == install


def test_laravel_and_symfony() -> None:
    laravel = of(
        {"composer.json": "{}", "artisan": "", ".env.example": "", "package.json": '{"scripts":{"build":"x"}}'}
    )
    assert laravel.found == ["Laravel", "Node.js"]
    assert set(laravel.linked_dirs) == {"storage"}
    assert set(laravel.linked_files) == {".env"}
    assert [name for name, _, sure in steps(laravel) if sure] == ["composer", "cache-configuration", "build", "migrate"]
    symfony = of({"composer.json": '{"require": {"doctrine/doctrine-migrations-bundle": "^3"}}', "bin/console": ""})
    assert symfony.found == ["Symfony"]
    assert ("migrate", "once", True) in steps(symfony)


def test_django_and_plain_python() -> None:
    django = of({"manage.py": "", "requirements.txt": "", "Procfile": "web: gunicorn x\nworker: celery\n"})
    assert django.found == ["Django"]
    assert [it[0] for it in steps(django) if it[2]] == ["install", "migrate"]
    (restart,) = (it for it in django.steps if it.step.name == "restart")
    assert restart.step.parameters == {"units": ["shop-web.service", "shop-worker.service"]}
    assert of({"requirements.txt": ""}).found == ["Python"]


def test_others() -> None:
    assert of({"go.mod": "module x"}).found == ["Go"]
    assert of({"Procfile": "release: bin/migrate\nweb: x\n"}).steps[0].step.parameters == {"command": "bin/migrate"}
    assert of({"Makefile": "build:\n\tcc x.c\n"}).steps[0].step.command == "make build"
    assert of({"index.html": ""}).found == ["A static site"]
    assert "Dockerfile" in of({"Dockerfile": ""}).notes[0]
    assert (of({}).found, of({}).steps) == ([], [])


@pytest.mark.parametrize("text", ["", "{", "[]", '{"scripts": []}', '{"scripts": {"build": 1}}'])
def test_a_broken_package_file_breaks_nothing(text: str) -> None:
    assert of({"package.json": text}).found == ["Node.js"]


@pytest.mark.parametrize(
    "files",
    [
        RAILS,
        {"package.json": '{"scripts": {"build": "x", "start": "x", "migrate": "x"}}'},
        {"composer.json": "{}", "artisan": ""},
        {"composer.json": "{}", "bin/console": ""},
        {"composer.json": "{}"},
        {"manage.py": "", "requirements.txt": ""},
        {"pyproject.toml": ""},
        {"go.mod": ""},
        {"Procfile": "web: x\nrelease: y\n"},
        {"Makefile": "build:\n"},
    ],
)
def test_every_sure_step_is_one_that_a_preset_takes(files: Mapping[str, str]) -> None:
    for it in of(files).steps:
        if it.sure:
            presets.make(it.step.preset, it.step.parameters, it.step.command, it.step.fields()["phase"])
