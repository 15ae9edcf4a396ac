"""The list of settings for people is the list that the code reads."""

import re
from pathlib import Path

from channels.layers import get_channel_layer
from django.conf import settings

ROOT = Path(__file__).resolve().parent.parent.parent
READS = re.compile(r'read_(?:\w+)\(\s*"([A-Z_]+)"')
SECRET_READS = re.compile(r'read_secret\(\s*"([A-Z_]+)"')
ROW = re.compile(r"^\| `([A-Z_]+)`( \*)? \|", re.MULTILINE)


def test_every_setting_is_documented_and_nothing_else() -> None:
    read = set(READS.findall((ROOT / "deployer_site" / "settings.py").read_text()))
    documented = {name for name, _ in ROW.findall((ROOT / "docs" / "settings.md").read_text())}
    assert len(read) >= 18
    assert documented == read


def test_those_that_can_come_from_a_file_are_marked() -> None:
    from_file = set(SECRET_READS.findall((ROOT / "deployer_site" / "settings.py").read_text()))
    marked = {name for name, mark in ROW.findall((ROOT / "docs" / "settings.md").read_text()) if mark}
    assert marked == from_file


def test_pages_may_load_nothing_from_elsewhere() -> None:
    directives: dict[str, list[str]] = settings.CONTENT_SECURITY_POLICY["DIRECTIVES"]
    assert directives["default-src"] == ["'none'"]
    allowed = {source for sources in directives.values() for source in sources}
    assert allowed == {"'none'", "'self'", "ws://localhost:8000"}


def test_the_channel_layer_waits_as_long_as_it_takes() -> None:
    (host,) = get_channel_layer().hosts
    assert host["socket_timeout"] is None


def test_tests_never_touch_a_real_installation() -> None:
    """The settings of tests, also when the environment names the real ones, as it does below `make test`."""
    assert settings.SETTINGS_MODULE == "tests.settings"
    assert settings.VAR.name.startswith("deployer-test-")
    assert settings.DEMO is False
