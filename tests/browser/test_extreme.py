"""Pages with what is hard to show (tests/extreme.py): no text leaves its box, on a desk and on a phone.

The web process alone, on a database of its own: no worker goes on with what was made up.
"""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from playwright.sync_api import Browser, Page, expect

from deployer_site.programs import web
from environments.choices import MOST as MOST_CHOICES
from tests.conftest import Wait
from tests.deployer_site.copies import ROOT, environment
from tests.ports import free_port
from tests.processes import Processes

pytestmark = pytest.mark.browser

SEED = """
import json
from importlib import import_module
from django.conf import settings
from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY
from tests import builders, extreme

extreme.fill()
user = builders.make_user(username="viewer", role="administrator")
session = import_module(settings.SESSION_ENGINE).SessionStore()
session[SESSION_KEY] = str(user.pk)
session[BACKEND_SESSION_KEY] = settings.AUTHENTICATION_BACKENDS[-1]
session[HASH_SESSION_KEY] = user.get_session_auth_hash()
session.save()
print(json.dumps([session.session_key, extreme.addresses()]))
"""
WIDTHS = (1440, 720, 390)  # the second as at 200 % on a desk
# Boxes whose own text is wider than they are, unless it is cut with an ellipsis or can be scrolled to.
TOO_WIDE = """() => {
    const boxes = new Set(), wrong = [], apart = "svg, script, option, textarea, .dp-sr, dialog:not([open])";
    const words = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
    while (words.nextNode()) {
        let box = words.currentNode.parentElement;
        if (!words.currentNode.data.trim() || box.closest(apart)) continue;
        while (getComputedStyle(box).display.startsWith("inline") && !box.clientWidth) box = box.parentElement;
        if (box.checkVisibility({ visibilityProperty: true })) boxes.add(box);
    }
    for (const box of boxes) {
        if (box.scrollWidth <= box.clientWidth + 1 || !box.clientWidth) continue;
        const style = getComputedStyle(box), cut = style.overflowX === "hidden" && style.textOverflow === "ellipsis";
        if (cut || ["auto", "scroll"].includes(style.overflowX)) continue;
        const told = box.textContent.trim().slice(0, 60);
        wrong.push(`${box.localName}.${box.className}: ${box.scrollWidth} in ${box.clientWidth}: ${told}`);
    }
    const all = document.documentElement.scrollWidth;
    return all > innerWidth ? [...wrong, `the page is ${all} wide`] : wrong;
}"""


class Extreme(NamedTuple):
    """Where it is served, by which cookie one is signed in, and its pages."""

    base: str
    cookie: dict[str, str]
    pages: dict[str, str]


@pytest.fixture(scope="module")
def extreme(
    processes: Processes, tmp_path_factory: pytest.TempPathFactory, eventually: Wait, migrated: Path
) -> Iterator[Extreme]:
    folder, port = tmp_path_factory.mktemp("extreme"), free_port()
    environ = environment(folder / "var", port, LOG_LEVEL="ERROR")

    def run(*words: str) -> str:
        command = [sys.executable, str(ROOT / "manage.py"), *words]
        return subprocess.run(command, env=environ, capture_output=True, text=True, check=True).stdout

    (folder / "var").mkdir()
    shutil.copyfile(migrated, folder / "var" / "deployer.sqlite3")
    run("collectstatic", "--noinput", "--verbosity", "0")
    session, pages = json.loads(run("shell", "--verbosity", "0", "--command", SEED).splitlines()[-1])
    process = processes.start(web().command, env={**environ, "DJANGO_SETTINGS_MODULE": "deployer_site.settings"})
    base = f"http://localhost:{port}"
    try:
        eventually(lambda: _answers(base), 120)
        yield Extreme(base, {"name": f"deployer-{port}-session", "value": session, "url": base}, pages)
    finally:
        process.terminate()
        process.wait(60)


def _answers(base: str) -> bool:
    return subprocess.run(["curl", "-fso", "/dev/null", f"{base}/healthz"], check=False).returncode == 0


def test_no_text_leaves_its_box(extreme: Extreme, browser: Browser) -> None:
    context = browser.new_context(reduced_motion="reduce")
    context.add_cookies([extreme.cookie])  # type: ignore[list-item]
    page, wrong = context.new_page(), []
    page.set_default_timeout(120_000)
    for name, path in extreme.pages.items():
        page.set_viewport_size({"width": WIDTHS[0], "height": 900})
        answered = page.goto(extreme.base + path)
        assert answered
        wrong += [] if answered.ok else [f"{name}: answered {answered.status}"]
        page.evaluate("document.fonts.ready")
        for width in WIDTHS:  # a page takes longer to load than to look at
            page.set_viewport_size({"width": width, "height": 900})
            wrong += [f"{name}, {width}: {found}" for found in page.evaluate(TOO_WIDE)]
            _keep_pictures(page, f"{name}-{width}".replace(" ", "-").replace("/", "-"))
    context.close()
    assert not wrong, "\n".join(wrong)


def _keep_pictures(page: Page, name: str) -> None:
    """For who wants to look at them: in the folder PICTURES."""
    if folder := os.environ.get("PICTURES"):
        for theme in ("light", "dark"):
            options: Any = {"color_scheme": theme}
            page.emulate_media(**options)
            page.screenshot(path=Path(folder) / f"{name}-{theme}.png")


def test_a_text_that_leaves_its_box_would_be_found(extreme: Extreme, browser: Browser) -> None:
    context = browser.new_context()
    context.add_cookies([extreme.cookie])  # type: ignore[list-item]
    page = context.new_page()
    page.goto(extreme.base)
    assert not page.evaluate(TOO_WIDE)
    page.evaluate("document.querySelector('h1').textContent = 'x'.repeat(4000)")
    page.evaluate("document.querySelector('h1').style.whiteSpace = 'nowrap'")
    assert page.evaluate(TOO_WIDE)
    context.close()


def test_what_a_list_does_not_show_is_found_as_one_types(extreme: Extreme, browser: Browser) -> None:
    """By keyboard: the browser suggests what the server finds, and what was written whole is taken."""
    context = browser.new_context()
    context.add_cookies([extreme.cookie])  # type: ignore[list-item]
    page = context.new_page()
    page.goto(f"{extreme.base}/settings/permissions")
    field = page.get_by_role("combobox", name="Who")
    offered = "field => [...field.list.options].map((option) => option.value)"
    beyond = f"team:team-{MOST_CHOICES + 15}"
    assert beyond not in field.evaluate(offered)
    field.focus()
    page.keyboard.type(f"team-{MOST_CHOICES + 15}")
    page.wait_for_function(f"() => document.getElementById('holder').list.options[0]?.value === '{beyond}'")
    assert field.evaluate(offered) == [beyond]
    field.fill(beyond)
    page.get_by_role("button", name="Give").focus()
    page.keyboard.press("Enter")
    expect(page.get_by_role("status")).to_contain_text(f"The team team-{MOST_CHOICES + 15} is deployer")
    context.close()
