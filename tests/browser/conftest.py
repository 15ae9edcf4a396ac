"""A real browser at a real installation: `manage.py up` with its demo, started once for all of these tests."""

import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, expect

from tests.conftest import Wait
from tests.deployer_site.copies import ROOT, Copy, environment

MAC = "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome"
# The first one has no windows that nobody sees, and takes a third of the processor.
NAMES = ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome")
QUIET = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
READY_SECONDS = 240.0
# A test that passes never waits for it: a machine that is busy with other tests is no failure.
PATIENCE = 60_000
OpenPage = Callable[..., Page]

expect.set_options(timeout=PATIENCE)

# What signing in leaves, for each person as often as tests may sign in: signing out ends one of them.
SESSIONS = """
from importlib import import_module
from django.conf import settings
from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY
from environments.models import User

for user in User.objects.filter(is_active=True):
    for _ in range(40):
        session = import_module(settings.SESSION_ENGINE).SessionStore()
        session[SESSION_KEY] = str(user.pk)
        session[BACKEND_SESSION_KEY] = settings.AUTHENTICATION_BACKENDS[-1]
        session[HASH_SESSION_KEY] = user.get_session_auth_hash()
        session.save()
        print(user.username, session.session_key)
"""


class Site:
    """The running installation, and who may sign in to it."""

    def __init__(self, copy: Copy) -> None:
        self._copy = copy
        self.base = f"http://localhost:{copy.port}"
        rows = (line.split() for line in (copy.folder / "demo-users.txt").read_text().splitlines())
        self.people = {role: (name, password) for name, password, role in rows}
        self._sessions: dict[str, list[str]] = {}

    def run(self, code: str) -> str:
        """Run it within the installation; what it prints."""
        command = [sys.executable, str(ROOT / "manage.py"), "shell", "--verbosity", "0", "--command", code]
        environ = environment(self._copy.folder, self._copy.port, DEMO="1")
        return subprocess.run(command, env=environ, capture_output=True, text=True, check=True, cwd="/").stdout

    def seed(self, code: str) -> int:
        """Run it within the installation; the number that it prints last."""
        return int(self.run(code).split()[-1])

    def sign_in(self, page: Page, role: str = "deployer", *, to: str = "/") -> None:
        """Be signed in, without the form: `sign_in_by_form`."""
        name, _ = self.people[role]
        if not self._sessions.get(name):
            for line in self.run(SESSIONS).splitlines():
                username, key = line.split()
                self._sessions.setdefault(username, []).append(key)
        cookie = f"deployer-{self._copy.port}-session"
        page.context.add_cookies([{"name": cookie, "value": self._sessions[name].pop(), "url": self.base}])
        page.goto(self.base + to)

    def sign_in_by_form(self, page: Page, role: str = "deployer", *, to: str = "/") -> None:
        name, password = self.people[role]
        page.goto(f"{self.base}/signin?next={to}")
        page.get_by_label("User name").fill(name)
        page.get_by_label("Password").fill(password)
        page.get_by_role("button", name="Sign in").click()
        page.wait_for_url(self.base + to)

    def stop_web(self) -> None:
        """End what listens and what answers; the supervisor starts it anew in a moment."""
        for pid in self._copy.children("web_process"):
            os.kill(pid, signal.SIGKILL)

    def answers(self) -> bool:
        """Whether pages can be had."""
        try:
            return self._copy.get("/healthz")[0] == 200
        except OSError:
            return False


@pytest.fixture(scope="session")
def browser_type_launch_args(browser_type_launch_args: dict[str, Any]) -> dict[str, Any]:
    found = next(filter(None, map(shutil.which, NAMES)), MAC if Path(MAC).exists() else None)
    assert found, "No Chromium on this machine; `make test` says how to install it."
    return {**browser_type_launch_args, "executable_path": found, "args": list(QUIET)}


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory, eventually: Wait, migrated: Path) -> Iterator[Site]:
    """The installation, once the demo's first deploys are over."""
    # Whoever has the role of a viewer may look and no more, as in the settings of tests.
    folder = tmp_path_factory.mktemp("browser") / "var"
    copy = Copy(folder, eventually=eventually, migrated=migrated, DEMO="1", EVERYONE="viewer")
    try:
        copy.wait_until_ready()
        eventually(lambda: copy.get("/readyz")[0] == 200, READY_SECONDS)
        yield Site(copy)
    finally:
        copy.stop()


def is_wrong(said: ConsoleMessage) -> bool:
    """An error, unless htmx says that a question was replaced by a newer one; a failed one has other words."""
    return said.type == "error" and not said.text.startswith(("htmx:sendAbort", "htmx:afterRequest"))


@pytest.fixture
def open_page(browser: Browser, site: Site) -> Iterator[OpenPage]:
    """Opens pages in fresh contexts. Afterwards: no error in any console, and not one request to another origin.

    `outage`: the console of this page may tell of a server that did not answer.
    """
    contexts: list[BrowserContext] = []
    wrong: list[str] = []

    def open_one(*, width: int = 1440, theme: str = "light", outage: bool = False, **options: Any) -> Page:
        context = browser.new_context(
            viewport={"width": width, "height": 900},
            color_scheme="dark" if theme == "dark" else "light",
            **{"reduced_motion": "reduce", **options},  # without a graphics card each turn of a wheel costs much
        )
        contexts.append(context)
        context.set_default_timeout(PATIENCE)
        page = context.new_page()
        if not outage:
            page.on("console", lambda said: wrong.append(f"console: {said.text}") if is_wrong(said) else None)
        page.on("pageerror", lambda error: wrong.append(f"script: {error}"))
        page.on("request", lambda asked: wrong.append(asked.url) if not asked.url.startswith(site.base) else None)
        page.on("websocket", lambda it: wrong.append(it.url) if not it.url.startswith(f"ws{site.base[4:]}/") else None)
        return page

    yield open_one
    for context in contexts:
        context.close()
    assert not wrong


@pytest.fixture(scope="session")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where pictures go: the folder PICTURES, else a temporary one."""
    folder = Path(os.environ["PICTURES"]) if "PICTURES" in os.environ else tmp_path_factory.mktemp("pictures")
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def deploy(site: Site, page: Page, application: str, environment: str, ref: str, *, held: bool = False) -> int:
    """Click a deploy of `ref`; its id. The page is then the deploy's. `held`: it is under way until `let_go`."""
    page.goto(f"{site.base}/{application}/{environment}/deploy?ref={ref}")
    # said in any case, for the form proposes what this person chose last
    page.locator(f'input[name="when"][value="{"held" if held else "now"}"]').check()
    page.get_by_role("button", name=re.compile("^Deploy [0-9a-f]{7}")).click()
    page.wait_for_url(re.compile(r"/deploys/\d+$"))
    return int(page.url.rsplit("/", 1)[1])


def let_go(page: Page) -> None:
    """What was held goes live, as soon as it is prepared."""
    page.get_by_role("button", name="Go live now").click(timeout=3 * PATIENCE)


def wait_for_end(page: Page) -> None:
    """Until the log's last word, and the page's after it."""
    expect(page.locator("[data-count]")).to_contain_text("sha256", timeout=3 * PATIENCE)
    expect(page.get_by_role("button", name="Cancel", exact=True)).to_have_count(0)
