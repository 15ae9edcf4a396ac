"""Fixtures for tests of what there is."""

from pathlib import Path

import pytest
from pytest_django import Settings

from environments.models import Application
from tests.repository import Repository


@pytest.fixture
def shop(tmp_path: Path, settings: Settings) -> Repository:
    settings.VAR, settings.REPOSITORY_ROOTS = tmp_path / "var", [tmp_path / "git"]
    (tmp_path / "git").mkdir()
    made = Repository(tmp_path / "git")
    made.commit({"a": "1"})
    made.git("tag", "light")
    made.git("tag", "-a", "v1", "-m", "one")
    made.commit({"a": "2"})
    made.commit({"b": "1"}, branch="feature/umlaut#1")
    made.git("checkout", "-q", "main")
    return made


@pytest.fixture
def application(shop: Repository, db: None) -> Application:
    return Application.objects.create(name="shop", repository=shop.url)


@pytest.fixture
def elsewhere(tmp_path: Path, settings: Settings, db: None) -> Application:
    """An application whose repository need not be there."""
    settings.VAR = tmp_path / "var"
    return Application.objects.create(name="shop", repository="https://git.example.org/shop.git")


@pytest.fixture
def fake_git(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The file in which a git of our own writes down each of its calls."""
    log = tmp_path / "calls"
    folder = tmp_path / "bin"
    folder.mkdir()
    (folder / "git").write_text(f'#!/bin/sh\nprintf "%s\\n" "$*" >>{log}\nexit 1\n')
    (folder / "git").chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:/usr/bin:/bin")
    return log
