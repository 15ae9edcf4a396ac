"""What all pages share: the way around, and that they are live, over one socket each and through a reconnect."""

import re

import pytest
from playwright.sync_api import Page, WebSocket, expect

from tests.browser.conftest import OpenPage, Site, deploy, let_go, wait_for_end
from tests.patience import Wait

pytestmark = pytest.mark.browser


def connected(page: Page) -> None:
    expect(page.locator("[data-connection]")).to_have_attribute("data-connection", "on")


def test_one_finds_the_way_around(site: Site, open_page: OpenPage) -> None:
    page = open_page()
    site.sign_in(page, to="/storefront/production/")
    expect(page.get_by_role("navigation", name="Breadcrumb")).to_contain_text("production")
    page.get_by_role("navigation", name="Main").get_by_role("link", name="Home").click()
    page.wait_for_url(site.base + "/")
    expect(page.get_by_role("navigation", name="Main").get_by_role("link", name="Home")).to_have_attribute(
        "aria-current", "page"
    )


def test_a_page_has_one_socket_and_asks_for_nothing_while_nothing_happens(site: Site, open_page: OpenPage) -> None:
    page = open_page()
    site.sign_in(page)
    connected(page)  # that page's own socket is not counted
    sockets: list[str] = []
    asked: list[str] = []
    words: list[str] = []

    def opened(socket: WebSocket) -> None:
        sockets.append(socket.url)
        socket.on("framereceived", lambda said: words.append(str(said)))

    page.on("websocket", opened)
    page.goto(site.base)
    connected(page)
    page.wait_for_load_state("networkidle")
    page.on("request", lambda request: asked.append(request.url))
    words.append("begin")
    while words:  # until nothing happened for once
        words.clear()
        asked.clear()
        page.wait_for_timeout(6_000)  # longer than the look of the server that finds nothing
    assert [url.rsplit("/ws/")[-1] for url in sockets] == ["page"]
    assert asked == []


def test_home_and_target_are_live(site: Site, open_page: OpenPage) -> None:
    home, target, other = open_page(), open_page(), open_page()
    for page, to in ((home, "/"), (target, "/storefront/staging/"), (other, "/")):
        site.sign_in(page, to=to)
    connected(home)
    connected(target)
    number = deploy(site, other, "storefront", "staging", "main", held=True)
    expect(home.locator(f'.dp-now a[href="/deploys/{number}"]')).to_be_visible()
    expect(target.get_by_role("link", name="Look at it")).to_be_visible()
    let_go(other)
    wait_for_end(other)
    expect(home.locator(f'.dp-now a[href="/deploys/{number}"]')).to_have_count(0)
    expect(target.locator(".dp-head").get_by_role("link", name="Deploy", exact=True)).to_be_visible()


def test_a_page_that_is_hidden_asks_when_it_is_shown_again(site: Site, open_page: OpenPage) -> None:
    page, other = open_page(), open_page()
    site.sign_in(page, to="/storefront/staging/")
    site.sign_in(other)
    connected(page)
    page.evaluate(SHOW.format("hidden"))
    number = deploy(site, other, "storefront", "staging", "main")
    wait_for_end(other)
    expect(page.locator(f'[data-piece="history"] a[href="/deploys/{number}"]')).to_have_count(0)
    page.evaluate(SHOW.format("visible"))
    expect(page.locator(f'[data-piece="history"] a[href="/deploys/{number}"]').first).to_be_visible()


SHOW = """() => {{
  Object.defineProperty(document, "visibilityState", {{ value: "{}", configurable: true }});
  document.dispatchEvent(new Event("visibilitychange"));
}}"""


def test_only_what_changed_is_touched(site: Site, open_page: OpenPage) -> None:
    page, other = open_page(), open_page()
    site.sign_in(page)
    site.sign_in(other)
    connected(page)
    page.evaluate("""() => document.querySelector('tr[data-name="pricing-api"]').dataset.mine = "kept" """)
    number = deploy(site, other, "storefront", "staging", "main", held=True)
    expect(page.locator(f'.dp-now a[href="/deploys/{number}"]')).to_be_visible()
    assert page.evaluate("""() => document.querySelector('tr[data-name="pricing-api"]').dataset.mine""") == "kept"
    let_go(other)
    wait_for_end(other)


NOTE_CONNECTION = """() => {
  const place = document.querySelector("[data-connection]");
  window.connections = [];
  new MutationObserver(() => window.connections.push(`${place.dataset.connection}: ${place.innerText}`))
    .observe(place, { attributes: true, childList: true, characterData: true, subtree: true });
}"""


def test_the_web_process_stops_and_starts_under_an_open_page(site: Site, open_page: OpenPage, eventually: Wait) -> None:
    page, other = open_page(outage=True), open_page(outage=True)
    site.sign_in(page)
    site.sign_in(other)
    connected(page)
    page.evaluate(NOTE_CONNECTION)
    number = deploy(site, other, "storefront", "staging", "main")
    site.stop_web()
    page.wait_for_function("() => window.connections.some((said) => said.includes('off: Not connected, trying again'))")
    eventually(site.answers)
    connected(page)
    wait_for_end(other)
    expect(page.locator(f'.dp-list a[href="/deploys/{number}"]')).to_contain_text("deployed")


def test_signing_out_elsewhere_ends_the_open_page(site: Site, open_page: OpenPage) -> None:
    page = open_page()
    site.sign_in(page)
    connected(page)
    second = page.context.new_page()
    second.goto(site.base)
    second.locator("summary.dp-me").click()
    second.get_by_role("button", name="Sign out").click()
    second.wait_for_url(re.compile("/signin"))
    page.wait_for_url(re.compile("/signin"))


class TestPalette:
    def test_one_jumps_by_keyboard_alone(self, site: Site, open_page: OpenPage) -> None:
        page = open_page()
        site.sign_in(page, to="/activity")
        page.keyboard.press("Control+k")
        dialog = page.get_by_role("dialog", name="Jump to")
        field = dialog.get_by_role("combobox")
        expect(field).to_be_focused()
        expect(dialog.get_by_role("option", name="Home")).to_be_visible()
        page.keyboard.type("store prod")
        option = dialog.get_by_role("option").filter(has_text="storefront / production").first
        expect(option).to_have_attribute("aria-selected", "true")
        expect(field).to_have_attribute("aria-activedescendant", option.get_attribute("id") or "none")
        page.keyboard.press("Enter")
        page.wait_for_url(site.base + "/storefront/production/")

    def test_arrows_choose_and_a_deed_is_done(self, site: Site, open_page: OpenPage) -> None:
        page = open_page()
        site.sign_in(page)
        page.keyboard.press("Control+k")
        page.keyboard.type("deploy storefront")
        dialog = page.get_by_role("dialog", name="Jump to")
        second = dialog.get_by_role("option", name="Deploy storefront to production")
        expect(second).to_be_visible()
        page.keyboard.press("ArrowDown")
        expect(second).to_have_attribute("aria-selected", "true")
        page.keyboard.press("Enter")
        page.wait_for_url(site.base + "/storefront/production/deploy")

    def test_it_keeps_the_focus_and_gives_it_back(self, site: Site, open_page: OpenPage) -> None:
        page = open_page()
        site.sign_in(page)
        opener = page.locator(".dp-find")
        opener.focus()
        page.keyboard.press("Enter")
        dialog = page.get_by_role("dialog", name="Jump to")
        expect(dialog.get_by_role("combobox")).to_be_focused()
        for _ in range(4):
            page.keyboard.press("Tab")
            assert page.evaluate(
                "document.activeElement === document.body || !!document.activeElement.closest('dialog')"
            )
        page.keyboard.press("Escape")
        expect(dialog).to_be_hidden()
        expect(opener).to_be_focused()

    def test_the_theme_is_a_choice_too(self, site: Site, open_page: OpenPage) -> None:
        page = open_page()
        site.sign_in(page)
        page.keyboard.press("Control+k")
        page.keyboard.type("dark")
        expect(page.get_by_role("option", name="Light or dark")).to_have_attribute("aria-selected", "true")
        page.keyboard.press("Enter")
        expect(page.locator("html")).to_have_attribute("data-bs-theme", "dark")

    def test_on_a_phone_it_opens_by_a_touch(self, site: Site, open_page: OpenPage) -> None:
        page = open_page(width=390)
        site.sign_in(page)
        page.get_by_role("link", name="Find or do anything").click()
        expect(page.get_by_role("dialog", name="Jump to").get_by_role("combobox")).to_be_focused()


class TestShortcuts:
    def test_they_lead_around(self, site: Site, open_page: OpenPage) -> None:
        page = open_page()
        site.sign_in(page)
        for key, path in (("w", "/waiting"), ("e", "/environments"), ("o", "/hosts"), ("a", "/activity"), ("h", "/")):
            page.keyboard.press("g")
            page.keyboard.press(key)
            page.wait_for_url(site.base + path)

    def test_rows_and_the_deploy_button(self, site: Site, open_page: OpenPage) -> None:
        page = open_page()
        site.sign_in(page)
        page.keyboard.press("j")
        page.keyboard.press("j")
        rows = page.locator("tr[data-name]")
        expect(rows.nth(1).locator("td a").first).to_be_focused()
        page.keyboard.press("k")
        expect(rows.nth(0).locator("td a").first).to_be_focused()
        page.keyboard.press("Enter")
        page.wait_for_url(re.compile(r"/[a-z-]+/staging/$"))
        page.keyboard.press("d")
        page.wait_for_url(re.compile(r"/[a-z-]+/staging/deploy$"))

    def test_the_sheet_tells_them_and_switches_them_off(self, site: Site, open_page: OpenPage) -> None:
        page = open_page()
        site.sign_in(page)
        page.keyboard.press("?")
        sheet = page.get_by_role("dialog", name="Keyboard shortcuts")
        expect(sheet).to_be_visible()
        sheet.get_by_role("button", name="Shortcuts of a single key").click()
        page.keyboard.press("Escape")
        page.keyboard.press("?")
        expect(sheet).to_be_hidden()
        page.keyboard.press("Control+k")
        expect(page.get_by_role("dialog", name="Jump to")).to_be_visible()

    def test_whoever_types_types(self, site: Site, open_page: OpenPage) -> None:
        page = open_page()
        site.sign_in(page)
        page.keyboard.press("/")
        expect(page.locator("#filter")).to_be_focused()
        page.keyboard.type("g?dj/")
        expect(page.locator("#filter")).to_have_value("g?dj/")
        expect(page.locator("dialog[open]")).to_have_count(0)
