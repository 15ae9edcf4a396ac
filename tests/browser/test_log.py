"""The log's window over very many lines, and over lines that mean harm; the test itself sends them."""

import json
import re
from typing import Any

import pytest
from playwright.sync_api import Page, WebSocketRoute, expect

from tests.browser.conftest import OpenPage, Site

pytestmark = pytest.mark.browser
MANY = 100_000


def feed(page: Page, texts: list[str], *, hosts: int = 3) -> None:
    """Answer the page's socket with these lines, a thousand per frame, and the end."""

    def answer(socket: WebSocketRoute) -> None:
        lines: list[dict[str, Any]] = [
            {"n": n, "host": f"host-{n % hosts}", "at": "2026-01-01T12:00:00+00:00", "stream": "stdout", "text": text}
            for n, text in enumerate(texts, 1)
        ]
        for first in range(0, len(lines), 1000):
            socket.send(json.dumps({"lines": lines[first : first + 1000]}))
        socket.send(json.dumps({"end": {"status": "succeeded", "lines": len(lines), "sha256": "0" * 64}}))

    page.route_web_socket(re.compile("/ws/"), answer)


def test_a_hundred_thousand_lines_stay_smooth(site: Site, open_page: OpenPage) -> None:
    page = open_page()
    feed(page, [f"line {n} of many" for n in range(1, MANY + 1)])
    site.sign_in(page, to="/deploys/1")
    expect(page.locator("[data-count]")).to_contain_text("100,000 lines, sha256")
    expect(page.locator(f"#L{MANY}")).to_be_visible()
    assert page.locator(".dp-log-seen > li").count() < 200
    page.locator("[data-follow]").click()
    slowest = page.evaluate(
        """async () => {
            const box = document.querySelector(".dp-log"), frame = () => new Promise(requestAnimationFrame);
            let slowest = 0;
            for (let step = 0; step < 100; step += 1) {
                box.scrollTop = (step * 7919 % 100) / 100 * box.scrollHeight;
                await frame();
                const start = performance.now();
                await frame();
                slowest = Math.max(slowest, performance.now() - start);
            }
            return slowest;
        }"""
    )
    assert slowest < 500
    page.locator(".dp-log").evaluate("box => { box.scrollTop = 50_000 * 20; }")
    expect(page.locator("#L50001")).to_be_visible()


def test_a_line_can_be_linked_to(site: Site, open_page: OpenPage) -> None:
    page = open_page()
    feed(page, [f"line {n}" for n in range(1, 5001)])
    site.sign_in(page, to="/deploys/1")
    page.goto(f"{site.base}/deploys/1#L2500")
    expect(page.locator("#L2500")).to_have_class(re.compile("dp-x"))
    expect(page.locator("#L2500")).to_be_in_viewport()
    page.locator("#L2503 > i").click()
    assert page.url.endswith("#L2503")
    page.locator(".dp-log").press("ArrowDown")
    assert page.url.endswith("#L2504")


def test_the_search_keeps_its_place_in_the_address(site: Site, open_page: OpenPage) -> None:
    page = open_page()
    feed(page, [f"line {n}" + (" needle" if n % 1000 == 0 else "") for n in range(1, 5001)])
    site.sign_in(page, to="/deploys/1")
    page.get_by_label("Search the log").fill("Needle")
    expect(page.locator("[data-hits]")).to_have_text("5 found")
    page.keyboard.press("Enter")
    page.keyboard.press("Enter")
    expect(page.locator("#L2000 mark.dp-now-hit")).to_have_text("needle")
    assert "find=Needle" in page.url
    page.reload()
    expect(page.locator("[data-hits]")).to_have_text("5 found")


def test_lines_of_one_host(site: Site, open_page: OpenPage) -> None:
    page = open_page()
    feed(page, [f"line {n}" for n in range(1, 3001)])
    site.sign_in(page, to="/deploys/1")
    expect(page.locator("#L3000")).to_be_visible()
    page.evaluate("""() => {
        const square = document.querySelector("[data-host]");
        square.dataset.host = "host-1";
        square.click();
    }""")
    expect(page.locator("#L3000")).to_have_count(0)
    hosts = set(page.locator(".dp-log-seen > li > b").all_inner_texts())
    assert hosts == {"host-1"}
    page.get_by_role("button", name="All hosts").click()
    expect(page.locator("#L3000")).to_be_visible()


def test_colours_are_shown_and_harm_is_not_done(site: Site, open_page: OpenPage) -> None:
    page = open_page()
    texts = [
        "\x1b[31mred\x1b[0m plain",
        "\x1b[38;5;208morange\x1b[0m and \x1b[1mbold\x1b[0m",
        "<img src=x onerror=document.title='hurt'><script>document.title='hurt'</script>",
        "\x1b]8;;javascript:document.title='hurt'\x1b\\click\x1b]8;;\x1b\\",
        'quoted " style="color:red" <span style="color:red">',
        "\x1b[31mnever ended",
        "after it",
    ]
    feed(page, texts)
    site.sign_in(page, to="/deploys/1")
    expect(page.locator("#L7")).to_contain_text("after it")
    expect(page.locator("#L1 .ansi-red-fg")).to_have_text("red")
    orange = page.locator("#L2 > span > span").first
    expect(orange).to_have_css("color", "rgb(255, 135, 0)")
    expect(page.locator("#L2 > span > span").last).to_have_css("font-weight", "700")
    expect(page.locator("#L3 > span")).to_have_text(texts[2])
    expect(page.locator("#L3 img, #L3 script, #L4 a")).to_have_count(0)
    expect(page.locator("#L5 > span")).to_have_text(texts[4])
    expect(page.locator("#L7 .ansi-red-fg")).to_have_count(0)
    assert "hurt" not in page.title()
