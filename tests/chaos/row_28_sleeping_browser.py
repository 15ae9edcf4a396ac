"""R28: a deploy's page in a browser without network, or asleep, for ten minutes: afterwards it has every line, once."""

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from django.conf import settings
from django.test import Client
from playwright.sync_api import Browser, Page, expect, sync_playwright

from deployments import log
from tests.browser.conftest import NAMES, QUIET
from tests.builders import make_user
from tests.deployer_site.copies import ROOT
from tests.deployments.fleet import eventually
from tests.deployments.readers import close_readers
from tests.deployments.web import Web
from tests.deployments.writer import Writer
from tests.processes import Processes

SLEEP_SECONDS = float(os.environ.get("CHAOS_SLEEP") or 600)
LINES_A_SECOND = 60
BACK_SECONDS = 20.0
AWAKE_SECONDS = 30.0  # before and after, together

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("valkey")]


@pytest.fixture(autouse=True)
def _readers() -> Iterator[None]:
    yield
    close_readers()


def test_r28_a_browser_that_was_away_for_long_has_every_line(processes: Processes) -> None:
    _collect_static_files()
    web = Web(processes)
    eventually(web.answers, 60, "the web process")
    writer = Writer(int(LINES_A_SECOND * (SLEEP_SECONDS + AWAKE_SECONDS)))
    writer.rest = 40 / LINES_A_SECOND
    client = Client()
    client.force_login(make_user(role="viewer"))
    session = client.cookies[settings.SESSION_COOKIE_NAME].value
    with ThreadPoolExecutor(1) as thread:  # of its own: a browser leaves an event loop running in its thread
        shown = thread.submit(_watch, web, writer, session).result()
    writer.join()
    assert writer.failure is None
    count, sha256 = log.digest(writer.deploy.pk)
    for how, (seen, end, back) in shown.items():
        print(f"R28: {how} for {SLEEP_SECONDS:.0f} s: {len(seen)} lines, no gap; the newest line after {back:.1f} s")
        assert end == f"{count:,} lines, sha256 {sha256}"
        assert seen == list(range(1, count + 1))
        assert back <= BACK_SECONDS
    web.stop()


def _collect_static_files() -> None:
    """As a start does; the web process of tests is begun without one."""
    environ = {**os.environ, "DJANGO_SETTINGS_MODULE": "deployer_site.settings", "VAR": str(settings.VAR), "DEMO": "0"}
    command = [sys.executable, str(ROOT / "manage.py"), "collectstatic", "--noinput", "--verbosity", "0"]
    subprocess.run(command, env=environ, check=True)


def _watch(web: Web, writer: Writer, session: str) -> dict[str, tuple[list[int], str, float]]:
    """By how it was away: the lines on the page in the end, what it says of them, and how soon it was up to date."""
    with sync_playwright() as playwright:
        chromium = next(filter(None, map(shutil.which, NAMES)), None)
        browser = playwright.chromium.launch(executable_path=chromium, args=list(QUIET))
        offline, asleep = (_open(browser, web, writer, session) for _ in range(2))
        writer.start()
        for page in (offline, asleep):
            expect(page.locator(".dp-log-seen > li[id]")).not_to_have_count(0, timeout=30_000)
        sleeper = asleep.context.new_cdp_session(asleep)
        offline.context.set_offline(True)
        sleeper.send("Page.setWebLifecycleState", {"state": "frozen"})
        time.sleep(SLEEP_SECONDS)
        offline.context.set_offline(False)
        back_offline = _time_until_new(offline)
        sleeper.send("Page.setWebLifecycleState", {"state": "active"})
        back_asleep = _time_until_new(asleep)
        found = {
            "without network": (*_read(offline), back_offline),
            "asleep": (*_read(asleep), back_asleep),
        }
        browser.close()
        return found


def _open(browser: Browser, web: Web, writer: Writer, session: str) -> Page:
    base = f"http://127.0.0.1:{web.port}"
    context = browser.new_context(viewport={"width": 1440, "height": 900})
    context.add_cookies([{"name": f"deployer-{web.port}-session", "value": session, "url": base}])
    page = context.new_page()
    page.goto(f"{base}/deploys/{writer.deploy.pk}")
    expect(page.locator("[data-log-state]")).to_have_text("live", timeout=30_000)
    page.evaluate(KEEP_STORE)
    return page


def _time_until_new(page: Page) -> float:
    """Seconds until it shows a line that was stored since it came back."""
    began, stored = time.monotonic(), page.request.get(f"{page.url}/log/lines?most=1").json()["total"]
    page.wait_for_function(
        "stored => [...document.querySelectorAll('.dp-log-seen > li[id]')].some(row => row.id.slice(1) > stored)",
        arg=stored,
        timeout=60_000,
    )
    return time.monotonic() - began


def _read(page: Page) -> tuple[list[int], str]:
    count = page.locator("[data-count]")
    expect(count).to_contain_text("sha256", timeout=120_000)
    return page.evaluate(READ_ALL), count.inner_text()


# The pane's own store: rows are drawn and gone again while one scrolls, so that nobody could count them.
KEEP_STORE = """async () => {
    const loaded = performance.getEntriesByType("resource").map((it) => it.name);
    const { LogStore } = await import(loaded.find((name) => name.includes("log_store")));
    const want = LogStore.prototype.want;
    LogStore.prototype.want = function (first, end) {
        window.keptStore = this;
        return want.call(this, first, end);
    };
}"""
# Each line by its place, asked for as by someone who scrolls there; what comes later is waited for.
READ_ALL = """async () => {
    const store = window.keptStore, numbers = [];
    for (let first = 0; first < store.total; first += 500) {
        const end = Math.min(first + 500, store.total);
        const places = Array.from({ length: end - first }, (_, n) => first + n);
        while (!places.every((place) => store.line(place))) {
            store.want(first, end);
            await new Promise((resolve) => setTimeout(resolve, 20));
        }
        numbers.push(...places.map((place) => store.line(place).n));
    }
    return numbers;
}"""
