"""The log pane over very many lines, and over lines that mean harm: real rows, read by the real server."""

import re
from pathlib import Path

import pytest
from playwright.sync_api import Page, Request, expect

from tests.browser.conftest import OpenPage, Site
from tests.browser.seeded_log import seed_code

pytestmark = pytest.mark.browser
MANY = 1_000_000
EVERY = 100_000


@pytest.fixture(scope="module")
def long_log(site: Site) -> int:
    """A deploy that is over, with a million lines of twelve hosts; ten of them hold the word needle."""
    return site.seed(seed_code(lines=MANY, per_chunk=500, width=40, needle=EVERY))


@pytest.fixture(scope="module")
def short_log(site: Site) -> int:
    return site.seed(seed_code(lines=300, per_chunk=10, width=600))


# Browsers scroll over some frames, and later than they are told when much is to be done: each frame is looked at.
NOTE_SHOWN = """() => {
    window.noted = new Set();
    const box = document.querySelector(".dp-log"), note = () => {
        const edge = box.getBoundingClientRect();
        for (const row of box.querySelectorAll("li[id]")) {
            const at = row.getBoundingClientRect();
            if (at.top >= edge.top && at.bottom <= edge.bottom) noted.add(Number(row.id.slice(1)));
        }
        requestAnimationFrame(note);
    };
    note();
}"""
THREE_FRAMES = """() => new Promise(done => {
    let left = 3;
    const next = () => (left-- ? requestAnimationFrame(next) : done());
    next();
})"""


def shown(page: Page) -> list[int]:
    """Numbers of the lines that are really in view."""
    ids: list[str] = page.locator(".dp-log").evaluate(
        """box => {
            const edge = box.getBoundingClientRect();
            return [...box.querySelectorAll("li[id]")].filter(row => {
                const at = row.getBoundingClientRect();
                return at.top >= edge.top && at.bottom <= edge.bottom;
            }).map(row => row.id);
        }"""
    )
    return [int(one[1:]) for one in ids]


def wait_for(page: Page, n: int) -> None:
    """Until that line is in view."""
    page.wait_for_function(
        """n => {
            const edge = document.querySelector(".dp-log").getBoundingClientRect();
            const at = document.getElementById(`L${n}`)?.getBoundingClientRect();
            return at && at.top >= edge.top && at.bottom <= edge.bottom;
        }""",
        arg=n,
    )


def wheel_to(page: Page, n: int, *, by: int) -> list[int]:
    """Turn the wheel by so many pixels at a time until that line, or a later one, is shown; all that were, in order."""
    page.evaluate(NOTE_SHOWN)
    page.locator(".dp-log").hover()
    for _ in range(1000):
        page.mouse.wheel(0, by)
        page.evaluate(THREE_FRAMES)
        noted: list[int] = sorted(page.evaluate("() => [...noted]"))
        if noted[-1] >= n:
            return noted
    raise AssertionError(f"line {n} was never reached, only {noted[-1]}")


def open_log(site: Site, page: Page, deploy: int, rest: str = "") -> None:
    site.sign_in(page)
    page.goto(f"{site.base}/deploys/{deploy}{rest}")


def test_a_million_lines_open_at_their_end_and_only_a_part_of_them_is_loaded(
    site: Site, open_page: OpenPage, long_log: int
) -> None:
    page = open_page()
    asked: list[Request] = []
    page.on("request", lambda request: asked.append(request) if "/log/" in request.url else None)
    frames: list[str] = []
    page.on("websocket", lambda it: it.on("framereceived", lambda said: frames.append(str(said))))
    open_log(site, page, long_log)
    expect(page.locator("[data-count]")).to_contain_text("1,000,000 lines, sha256")
    wait_for(page, MANY)
    assert shown(page)[-1] == MANY
    assert page.locator(".dp-log-seen > li").count() < 100
    assert len(asked) <= 3
    assert not [said for said in frames if '"lines":[' in said]


def test_every_line_can_be_scrolled_to(site: Site, open_page: OpenPage, long_log: int) -> None:
    page = open_page()
    open_log(site, page, long_log)
    wait_for(page, MANY)
    box = page.locator(".dp-log")
    box.press("Home")
    wait_for(page, 1)
    assert shown(page)[0] == 1
    noted = wheel_to(page, 100, by=400)
    assert noted == list(range(1, noted[-1] + 1)), "by the wheel too, though the bar stands for a part of the height"
    box.evaluate("box => { box.scrollTop = box.scrollHeight / 2; }")
    page.wait_for_function(
        "() => Math.abs(document.querySelector('.dp-log-seen > li[id]')?.id.slice(1) - 500000) < 500"
    )
    box.press("End")
    wait_for(page, MANY)
    expect(page.locator("[data-follow]")).to_have_attribute("aria-pressed", "true")


def test_the_tab_holds_a_bounded_part(site: Site, open_page: OpenPage, long_log: int) -> None:
    page = open_page()
    open_log(site, page, long_log)
    wait_for(page, MANY)
    devtools = page.context.new_cdp_session(page)
    devtools.send("Performance.enable")

    def heap() -> float:
        devtools.send("HeapProfiler.collectGarbage")
        facts = {it["name"]: it["value"] for it in devtools.send("Performance.getMetrics")["metrics"]}
        return float(facts["JSHeapUsedSize"])

    before = heap()
    for part in range(1, 121):
        page.locator(".dp-log").evaluate("(box, part) => { box.scrollTop = box.scrollHeight * part / 121; }", part)
        page.wait_for_function("() => document.querySelector('.dp-log-seen > li[id]')")
    assert heap() - before < 25_000_000


def test_a_line_can_be_linked_to(site: Site, open_page: OpenPage, long_log: int) -> None:
    page = open_page()
    open_log(site, page, long_log, "#L400000")
    expect(page.locator("#L400000")).to_have_class(re.compile("dp-x"))
    wait_for(page, 400000)
    page.locator("#L400003 > i").click()
    expect(page).to_have_url(re.compile("#L400003$"))
    page.locator(".dp-log").press("ArrowDown")
    expect(page).to_have_url(re.compile("#L400004$"))
    expect(page.locator("[data-linked]")).to_have_text("Line 400,004 is chosen")
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.locator(".dp-log").press("c")
    expect(page.locator("[data-copy]")).to_have_text("Copied")
    assert page.evaluate("navigator.clipboard.readText()") == f"{site.base}/deploys/{long_log}#L400004"


def test_the_search_goes_over_the_whole_log_and_keeps_its_place_in_the_address(
    site: Site, open_page: OpenPage, long_log: int
) -> None:
    page = open_page()
    open_log(site, page, long_log, "#L250000")
    wait_for(page, 250000)
    page.get_by_label("Search the log").fill("Needle")
    expect(page.locator("[data-found]")).to_have_text("10 found")
    page.keyboard.press("Enter")
    expect(page.locator("[data-found]")).to_have_text("3 of 10")
    expect(page.locator("#L300000 mark.dp-now-hit")).to_have_text("needle")
    wait_for(page, 300000)
    page.locator(".dp-log").press("n")
    expect(page.locator("#L400000 mark.dp-now-hit")).to_be_visible()
    page.get_by_role("button", name="Previous hit").click()
    expect(page.locator("#L300000 mark.dp-now-hit")).to_be_visible()
    assert "find=Needle" in page.url
    page.goto(page.url.replace("#L250000", ""))
    page.reload()
    expect(page.locator("#L300000 mark.dp-now-hit")).to_be_visible()
    expect(page.locator("[data-found]")).to_have_text("3 of 10")
    page.get_by_label("Search the log").fill("no such words")
    expect(page.locator("[data-found]")).to_have_text("none")


def test_lines_of_one_host(site: Site, open_page: OpenPage, long_log: int) -> None:
    page = open_page()
    open_log(site, page, long_log)
    wait_for(page, MANY)
    page.locator(".dp-log-seen > li > b").last.click()
    one = page.locator("[data-one-host]")
    expect(page.locator("[data-count]")).to_contain_text(re.compile(r"^83,\d00 lines of web-\d\d$"))
    name = one.inner_text()
    assert f"host={name}" in page.url
    expect(page.locator(".dp-log-seen > li[id]").last).to_be_visible()
    assert set(page.locator(".dp-log-seen > li[id] > b").all_inner_texts()) == {name}
    page.locator(".dp-log").press("Home")
    expect(page.locator(".dp-log-seen > li[id] > i").first).to_be_visible()
    page.reload()
    expect(page.locator("[data-count]")).to_contain_text(f"of {name}")
    page.locator(".dp-log").press("Escape")
    expect(page.locator("[data-count]")).to_contain_text("1,000,000 lines")
    assert "host=" not in page.url


def test_the_raw_log_is_whole_in_the_browser(site: Site, open_page: OpenPage, short_log: int, tmp_path: Path) -> None:
    page = open_page(outage=True)  # a text has no icon, which its console tells
    open_log(site, page, short_log, "/log.txt?plain=1")
    assert page.locator("body").inner_text().count("of the log") == 300
    page.goto(f"{site.base}/deploys/{short_log}")
    with page.expect_download() as download:
        page.get_by_role("link", name="Download").click()
    download.value.save_as(tmp_path / "log")
    assert (tmp_path / "log").read_bytes().count(b"\n") == 300


def test_long_lines_wrap_and_times_go(site: Site, open_page: OpenPage, short_log: int) -> None:
    page = open_page()
    open_log(site, page, short_log)
    wait_for(page, 300)
    page.get_by_role("button", name="Wrap").click()
    wait_for(page, 300)
    assert page.locator("#L300").bounding_box()["height"] > 60  # type: ignore[index]
    assert not page.locator(".dp-log").evaluate("box => box.scrollWidth > box.clientWidth")
    page.locator(".dp-log").press("Home")
    wait_for(page, 1)
    assert wheel_to(page, 300, by=150) == list(range(1, 301)), "some lines were never shown"
    page.locator(".dp-log").press("t")
    expect(page.locator("#L300 > time")).to_be_hidden()
    page.reload()
    expect(page.locator("#L300 > time")).to_be_hidden()
    expect(page.get_by_role("button", name="Wrap")).to_have_attribute("aria-pressed", "true")


HARM = [
    "\x1b[31mred\x1b[0m plain",
    "\x1b[38;5;208morange\x1b[0m and \x1b[1mbold\x1b[0m",
    "<img src=x onerror=document.title='hurt'><script>document.title='hurt'</script>",
    "\x1b]8;;javascript:document.title='hurt'\x1b\\click\x1b]8;;\x1b\\",
    'quoted " style="color:red" <span style="color:red">',
    "\x1b[31mnever ended",
    "\x1b]0;hurt\x07title",
    "abc\u202etxt.exe\u2066 \u200bend",
    "bell\x07 back\x08 null\x00 \x1b",
    "\x1b]8;;http://evil.example\x07never closed",
    "find \x1b[1mthis\x1b[0m needle",
    "y" * 20_000,
]


def test_colours_are_shown_and_harm_is_not_done(site: Site, open_page: OpenPage) -> None:
    deploy = site.seed(
        seed_code(lines=1)
        + f"\nLogChunk.objects.filter(deploy=deploy).update(text={chr(10).join(HARM)!r}, last_n={len(HARM)})"
        f"\nDeploy.objects.filter(pk=deploy.pk).update(lines={len(HARM)})"
    )
    page = open_page()
    open_log(site, page, deploy)
    text = "#L{} > span"
    expect(page.locator("#L12")).to_be_visible()
    expect(page.locator("#L1 .ansi-red-fg")).to_have_text("red")
    expect(page.locator("#L2 > span > span").first).to_have_css("color", "rgb(255, 135, 0)")
    expect(page.locator("#L2 > span > span").last).to_have_css("font-weight", "700")
    expect(page.locator(text.format(3))).to_have_text(HARM[2])
    expect(page.locator(".dp-log img, .dp-log script, .dp-log a")).to_have_count(0)
    expect(page.locator(text.format(4))).to_have_text("click")
    expect(page.locator(text.format(5))).to_have_text(HARM[4])
    expect(page.locator("#L7 .ansi-red-fg")).to_have_count(0)
    expect(page.locator(text.format(7))).to_have_text("title")
    expect(page.locator(text.format(8))).to_have_text("abc<U+202E>txt.exe<U+2066> <U+200B>end")
    expect(page.locator(text.format(9))).to_have_text("bell␇ back␈ null␀ ␛")
    expect(page.locator(text.format(10))).to_have_text("never closed")
    expect(page.locator(text.format(12))).to_contain_text("15,000 more characters")
    page.get_by_label("Search the log").fill("this needle")
    expect(page.locator("[data-found]")).to_have_text("1 found")
    expect(page.locator("#L11 mark")).to_have_count(2)
    assert "hurt" not in page.title()
