"""Proposals from a real repository, with Capistrano's configuration and a file of our own in it."""

from pathlib import Path

import pytest
from pytest_django import Settings

from deployments import repository_proposals
from environments.models import Application
from tests import builders

pytestmark = pytest.mark.django_db
CAPFILE = 'require "capistrano/setup"\nrequire "capistrano/deploy"\nrequire "capistrano/puma"\n'
DEPLOY = """
set :application, "shop"
set :repo_url, "git@git.example.org:shop.git"
set :deploy_to, "/srv/www/shop"
set :keep_releases, 9
append :linked_dirs, "log", "public/system"
append :linked_files, "config/master.key"
"""
STAGE = 'server "web-1.example.org", user: "ship", roles: %w{app web}\n'


def make(folder: Path, settings: Settings, files: dict[str, str]) -> Application:
    settings.REPOSITORY_ROOTS, settings.VAR = [folder], folder / "var"
    builders.make_repository(folder / "shop", files=files)
    return builders.make_application(name="shop", repository=folder / "shop")


def test_capistrano_says_where_and_what_is_linked(tmp_path: Path, settings: Settings) -> None:
    files = {"Gemfile": "", "Capfile": CAPFILE, "config/deploy.rb": DEPLOY, "config/deploy/production.rb": STAGE}
    shop = make(tmp_path, settings, files)
    found = repository_proposals.propose(shop, environment="production")
    assert found.found == ["Capistrano", "Ruby"]
    assert (found.root, found.user, found.keep) == ("/srv/www/shop", "ship", 9)
    assert (list(found.linked_dirs), list(found.linked_files)) == (["log", "public/system"], ["config/master.key"])
    assert any("restart-systemd" in note for note in found.notes)
    other = repository_proposals.propose(shop, environment="staging")
    assert (other.root, other.found[0]) == ("", "Capistrano")
    assert "no stage staging" in other.notes[-1]


def test_a_capistrano_that_cannot_be_read_is_a_note(tmp_path: Path, settings: Settings) -> None:
    files = {"Capfile": CAPFILE, "config/deploy.rb": "set :x, (((", "README": "x"}
    found = repository_proposals.propose(make(tmp_path, settings, files), environment="production")
    assert found.notes


def test_a_repository_with_steps_of_its_own_needs_none_of_ours(tmp_path: Path, settings: Settings) -> None:
    own = "linked_dirs: [log]\nsteps:\n  - name: build\n    command: make\n"
    files = {"Gemfile": "", "config.ru": "", "deployer.yml": own}
    found = repository_proposals.propose(make(tmp_path, settings, files), environment="production")
    assert (found.found[0], found.steps) == ("deployer.yml", [])
    assert "log" not in found.linked_dirs
    assert "brings the steps build" in found.notes[0]


def test_a_file_of_our_own_that_is_wrong_is_told(tmp_path: Path, settings: Settings) -> None:
    shop = make(tmp_path, settings, {"deployer.yml": "stepps: []\n", "Gemfile": ""})
    found = repository_proposals.propose(shop, environment="production")
    assert "deployer.yml at" in found.notes[0]
    assert found.steps
