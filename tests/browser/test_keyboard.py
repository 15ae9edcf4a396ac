"""A walk over every page as who has no mouse: each stop is seen, they come in the order in which they stand, and a page
at 200 % is whole.
"""

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import OpenPage, Site
from tests.browser.every_page import DOORS, PAGES
from tests.browser.test_extreme import TOO_WIDE

pytestmark = pytest.mark.browser

ZOOMED = {"width": 720, "height": 450}  # a screen of 1440 by 900 at 200 %

# Goes from stop to stop as Tab does, which needs no tabindex of its own: what one sees there must change by the focus.
WALK = """() => {
    const stops = [...document.querySelectorAll("a[href], button, input, select, textarea, summary, [tabindex]")]
        .filter((one) => one.tabIndex >= 0 && !one.disabled && one.type !== "hidden")
        .filter((one) => one.checkVisibility({ visibilityProperty: true }) && !one.closest("dialog:not([open])"));
    const words = (one) => (one.getAttribute("aria-label") || one.textContent || one.id).trim().slice(0, 50);
    const told = (one) => `${one.localName} ${words(one)}`;
    const looks = (one) => {
        const nodes = [one, one.closest("label"), one.parentElement, one.parentElement?.parentElement].filter(Boolean);
        return nodes.map((it) => {
            const style = getComputedStyle(it);
            return [style.outlineStyle, style.outlineWidth, style.outlineColor, style.boxShadow, style.borderColor,
                    style.backgroundColor, style.textDecorationLine].join(" ");
        }).join("|");
    };
    const wrong = [];
    for (const one of stops) {
        if (one.tabIndex > 0) wrong.push(`${told(one)}: has a place of its own in the order`);
        document.activeElement?.blur();
        const before = looks(one);
        one.focus({ focusVisible: true });
        if (document.activeElement !== one) wrong.push(`${told(one)}: takes no focus`);
        else if (looks(one) === before) wrong.push(`${told(one)}: nothing shows that it has the focus`);
        const box = one.getBoundingClientRect();
        if (box.bottom <= 0 || box.top >= innerHeight) wrong.push(`${told(one)}: out of sight with the focus`);
    }
    for (const one of document.querySelectorAll("main *")) {
        const style = getComputedStyle(one);
        if (style.order === "0" && !/reverse/.test(`${style.flexDirection} ${style.flexWrap}`)) continue;
        const acts = one.checkVisibility() && one.querySelector("a, button, input, select");
        if (acts) wrong.push(`${told(one)}: stands elsewhere than it is read`);
    }
    return wrong;
}"""
# Moving must not wait for anything.
STILL = "*, *::before, *::after { transition: none !important; animation: none !important; }"
ADOPT = """text => {
    const sheet = new CSSStyleSheet();
    sheet.replaceSync(text);
    document.adoptedStyleSheets = [sheet];
}"""
LOUD = """() => [...document.querySelectorAll("[role=log], [aria-live=assertive], [data-piece][role=status]")]
    .filter((one) => one.getAttribute("aria-live") !== "off").map((one) => one.outerHTML.slice(0, 80))"""


def walk(page: Page) -> list[str]:
    """What is wrong on the page that is open."""
    page.evaluate(ADOPT, STILL)
    found: list[str] = page.evaluate(WALK)
    found += [f"speaks all the time: {one}" for one in page.evaluate(LOUD)]
    return found


def test_each_stop_is_seen_and_all_is_there_at_200_percent(site: Site, open_page: OpenPage) -> None:
    page = open_page(outage=True, device_scale_factor=2)
    wrong = []
    site.sign_in(page, "administrator")
    for name, path in (PAGES | DOORS).items():
        page.set_viewport_size({"width": 1440, "height": 900})
        page.goto(site.base + path)
        page.wait_for_load_state("networkidle" if "deploy" in path or "check" in path else "load")
        page.evaluate("document.fonts.ready")
        wrong += [f"{name}: {one}" for one in walk(page)]
        page.set_viewport_size(ZOOMED)  # type: ignore[arg-type]
        wrong += [f"{name}, 200 %: {one}" for one in page.evaluate(TOO_WIDE)]
    assert not wrong, "\n".join(wrong)


def test_a_stop_that_nobody_sees_would_be_found(site: Site, open_page: OpenPage) -> None:
    page = open_page()
    page.goto(f"{site.base}/signin")
    assert not walk(page)
    page.evaluate(ADOPT, "main button { all: unset !important; }")
    assert any("nothing shows" in one for one in page.evaluate(WALK))
    page.evaluate("document.querySelector('main [name=username]').tabIndex = 3")
    assert any("a place of its own" in one for one in page.evaluate(WALK))


def test_the_sheet_of_shortcuts_gives_the_focus_back(site: Site, open_page: OpenPage) -> None:
    page = open_page()
    site.sign_in(page, to="/activity")
    where = page.get_by_role("link", name="CSV")
    where.focus()
    page.keyboard.press("?")
    expect(page.get_by_role("dialog", name="Keyboard shortcuts")).to_be_visible()
    page.keyboard.press("Escape")
    expect(where).to_be_focused()
