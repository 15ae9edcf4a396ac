"""The log pane of a deploy with 1,000,000 lines in Chromium: how long until its end is read, how smooth it scrolls, how
long a search takes, and what the tab holds.

Frames per second are also those of an empty page, for what else runs on the machine takes its share of both; the
processor time of a frame does not depend on that.
"""

import shutil
import statistics
import time
from typing import Any

from playwright.sync_api import CDPSession, Page, sync_playwright

from benchmarks.installation import Installation
from tests.browser.seeded_log import seed_code

LINES = 1_000_000
RARE = 250_000
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
# Scrolls by `by` pixels in every frame and answers with the times between frames.
_SCROLL = """async ([by, count]) => {
    const box = document.querySelector(".dp-log"), frame = () => new Promise(requestAnimationFrame), times = [];
    let before = await frame();
    for (let turn = 0; turn < count; turn += 1) {
        box.scrollTop += by;
        const now = await frame();
        times.push(now - before);
        before = now;
    }
    return times;
}"""
_JUMP = """async (count) => {
    const box = document.querySelector(".dp-log"), frame = () => new Promise(requestAnimationFrame), times = [];
    let before = await frame();
    for (let turn = 0; turn < count; turn += 1) {
        box.scrollTop = ((turn * 7919) % count) / count * box.scrollHeight;
        const now = await frame();
        times.push(now - before);
        before = now;
    }
    return times;
}"""

_FRAMES = """async (count) => {
    const frame = () => new Promise(requestAnimationFrame), times = [];
    let before = await frame();
    for (let turn = 0; turn < count; turn += 1) {
        const now = await frame();
        times.push(now - before);
        before = now;
    }
    return times;
}"""


def measure(deployer: Installation) -> dict[str, Any]:
    """Milliseconds, frames per second, MB."""
    said = deployer.manage("shell", "-c", seed_code(lines=LINES, needle=RARE))
    deploy = int(said.split()[-1])
    people = (deployer.var / "demo-users.txt").read_text().split()
    at = people.index("deployer")
    with sync_playwright() as playwright:
        found = shutil.which("chromium") or shutil.which("google-chrome")
        browser = playwright.chromium.launch(executable_path=found, args=FLAGS)
        page = browser.new_page(viewport={"width": 1440, "height": 900})
        page.goto(f"{deployer.url}/signin")
        page.get_by_label("User name").fill(people[at - 2])
        page.get_by_label("Password").fill(people[at - 1])
        page.get_by_role("button", name="Sign in").click()
        page.wait_for_url(f"{deployer.url}/")
        figures = _measure_page(page, f"{deployer.url}/deploys/{deploy}")
        browser.close()
    return figures


def _measure_page(page: Page, address: str) -> dict[str, Any]:
    devtools = page.context.new_cdp_session(page)
    opened = [_open(page, address, LINES) for _ in range(3)]
    linked = _open(page, f"{address}#L{LINES // 2}", LINES // 2)
    page.goto("about:blank")
    idle = page.evaluate(_FRAMES, 200)
    _open(page, address, LINES)
    devtools.send("Performance.enable", {"timeDomain": "threadTicks"})
    page.locator("[data-follow]").click()
    before = _metrics(devtools)["TaskDuration"]
    small = page.evaluate(_SCROLL, [-40, 300])
    fast = page.evaluate(_SCROLL, [-900, 300])
    jumps = page.evaluate(_JUMP, 200)
    busy = _metrics(devtools)["TaskDuration"] - before
    devtools.send("HeapProfiler.collectGarbage")
    memory = _metrics(devtools)["JSHeapUsedSize"]
    rows = page.locator(".dp-log-seen > li").count()
    began = time.monotonic()
    page.get_by_label("Search the log").fill("needle")
    page.wait_for_function("() => document.querySelector('[data-found]').textContent === '4 found'", timeout=60_000)
    return {
        "open_ms_median_of_3": round(statistics.median(opened)),
        "open_at_linked_line_ms": round(linked),
        "scroll_lines_frames_per_s": _rate(small),
        "scroll_pages_frames_per_s": _rate(fast),
        "jumps_frames_per_s": _rate(jumps),
        "empty_page_frames_per_s": _rate(idle),
        "processor_ms_per_frame": round(busy * 1000 / len(small + fast + jumps), 1),
        "longest_frame_ms": round(max(small + fast + jumps)),
        "tab_heap_mb": round(memory / 1e6, 1),
        "rows_in_the_page": rows,
        "search_all_lines_ms": round((time.monotonic() - began) * 1000),
    }


def _open(page: Page, address: str, line: int) -> float:
    """Milliseconds from the navigation until that line can be read."""
    page.goto("about:blank")
    began = time.monotonic()
    page.goto(address, wait_until="commit")
    page.wait_for_function(f"() => document.getElementById('L{line}')?.offsetParent", timeout=60_000)
    return (time.monotonic() - began) * 1000


def _metrics(devtools: CDPSession) -> dict[str, float]:
    return {it["name"]: it["value"] for it in devtools.send("Performance.getMetrics")["metrics"]}


def _rate(times: list[float]) -> int:
    return round(1000 / statistics.mean(times))
