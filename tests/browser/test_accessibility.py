"""WCAG 2.2 A and AA on every page, by axe-core, in both themes, on a desk and on a phone; and what axe cannot see."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any, Literal

import pytest
from playwright.sync_api import Page

from tests.browser.conftest import OpenPage, Site
from tests.browser.every_page import DOORS, ERRORS, PAGES, SEEDED

pytestmark = pytest.mark.browser

AXE = (Path(__file__).parent.parent / "vendor" / "axe-core" / "axe.min.js").read_text()
TAGS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22a", "wcag22aa"]
# What another theme may change; to all other rules a page is the same in both.
OF_COLOURS = ["color-contrast", "link-in-text-block"]
# Where all is well is not described: that takes longer than to find what is not.
RUN = "wanted => axe.run(document, { runOnly: wanted, resultTypes: ['violations'] })"
DESK, PHONE, HEIGHT = 1440, 390, 900
# A page is loaded once for all of them. Colours are looked at in each, everything else at both widths.
LOOKS: tuple[tuple[int, Literal["light", "dark"], list[str]], ...] = (
    (DESK, "light", TAGS),
    (DESK, "dark", OF_COLOURS),
    (PHONE, "dark", TAGS),
    (PHONE, "light", OF_COLOURS),
)

# A colour that is on its way has no contrast of its own.
SETTLED = """() => Promise.allSettled(
    document.getAnimations().filter((one) => one instanceof CSSTransition).map((one) => one.finished))"""


def findings(page: Page, wanted: list[str]) -> list[str]:
    """What axe, which is there already, finds wrong by these rules (or tags of rules): which rule, and where."""
    said: dict[str, Any] = page.evaluate(RUN, wanted)
    return [
        f"{rule['id']}: {' '.join(map(str, node['target']))} {node['failureSummary'].splitlines()[-1].strip()}"
        for rule in said["violations"]
        for node in rule["nodes"]
    ]


def look_at(page: Page, site: Site, pages: Iterable[tuple[str, str]]) -> list[str]:
    """What is wrong with them, each loaded once and looked at at both widths and in both themes."""
    wrong = []
    for name, path in pages:
        page.set_viewport_size({"width": DESK, "height": HEIGHT})
        answered = page.goto(site.base + path)
        assert answered
        if (answered.status < 400) != (name in PAGES or name in SEEDED or name in ("signin", "forgotten")):
            wrong.append(f"{name}: answered {answered.status}")
        page.wait_for_load_state("networkidle" if "deploy" in path or "check" in path else "load")
        page.evaluate("document.fonts.ready")
        page.evaluate(AXE)  # not as a script of the page, which its policy forbids
        if page.locator("h1").count() != 1:
            wrong.append(f"{name}: {page.locator('h1').count()} h1")
        for width, theme, wanted in LOOKS:
            page.set_viewport_size({"width": width, "height": HEIGHT})
            page.emulate_media(color_scheme=theme)
            page.evaluate(SETTLED)
            wrong += [f"{name}, {width}, {theme}: {finding}" for finding in findings(page, wanted)]
            if page.evaluate("document.documentElement.scrollWidth > innerWidth"):
                wrong.append(f"{name}: wider than {width} px")
        if name in PAGES or name in SEEDED:
            page.set_viewport_size({"width": DESK, "height": HEIGHT})
            wrong += [f"{name}: {problem}" for problem in out_of_reach(page)]
    return wrong


ACTIONS = "main a[href], main button:not([disabled]), main select, main summary"
OUT_OF_REACH = f"""() => [...document.querySelectorAll("{ACTIONS}")]
    .filter((one) => one.checkVisibility({{ visibilityProperty: true }}))
    .filter((one) => one.tabIndex < 0 && !one.closest("[role=toolbar], [role=grid], [role=listbox]"))
    .map((one) => one.outerHTML.slice(0, 120))"""


def out_of_reach(page: Page) -> list[str]:
    """What the keyboard does not reach; at last it is at the page's first stop."""
    found: list[str] = page.evaluate(OUT_OF_REACH)
    if page.locator("[autofocus]").count() == 0:  # else one begins at that field
        page.keyboard.press("Tab")
        first = page.evaluate("document.activeElement.textContent.trim()")
        found += [] if first == "Skip to content" else [f"the first stop is {first[:80]!r}"]
    return found


def test_no_page_has_a_finding_and_every_action_is_reached(site: Site, open_page: OpenPage) -> None:
    page = open_page(outage=True)  # the console tells of an answer of 410
    wrong = look_at(page, site, DOORS.items())
    site.sign_in(page, "administrator")
    wrong += look_at(page, site, PAGES.items())
    assert not wrong, "\n".join(wrong)


def test_axe_would_find_something(site: Site, open_page: OpenPage) -> None:
    page = open_page()
    page.goto(f"{site.base}/signin")
    page.evaluate(AXE)
    assert not findings(page, TAGS)
    page.evaluate("document.querySelector('label').remove()")
    assert any(finding.startswith("label:") for finding in findings(page, TAGS))
    page.evaluate("document.querySelector('h1').style.color = getComputedStyle(document.body).backgroundColor")
    assert [finding.partition(":")[0] for finding in findings(page, OF_COLOURS)] == ["color-contrast"]


def test_pages_of_errors_have_none_either(site: Site, open_page: OpenPage) -> None:
    page = open_page(outage=True)
    site.sign_in(page, "administrator")
    assert not look_at(page, site, ERRORS.items())


def test_nothing_moves_for_those_who_asked_for_that(site: Site, open_page: OpenPage) -> None:
    page = open_page(reduced_motion="reduce")
    site.sign_in(page)
    moving = """() => {
        const turning = document.createElementNS("http://www.w3.org/2000/svg", "svg");
        turning.setAttribute("class", "dp-g dp-spin");
        document.querySelector("main").append(turning);
        return getComputedStyle(turning).animationName;
    }"""
    assert page.evaluate(moving) == "none"
    page.emulate_media(reduced_motion="no-preference")
    assert page.evaluate(moving) == "spin"
