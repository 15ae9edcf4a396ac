"""The first page in a browser: what it weighs, how one finds an application in it, and that it comes in parts."""

import re

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import OpenPage, Site, deploy, wait_for_end

pytestmark = pytest.mark.browser
MOST_KB = 250


def test_the_first_load_is_light(site: Site, open_page: OpenPage) -> None:
    page = open_page()
    site.sign_in(page)
    page.goto("about:blank")
    devtools = page.context.new_cdp_session(page)
    devtools.send("Network.enable")
    devtools.send("Network.setCacheDisabled", {"cacheDisabled": True})
    sizes: list[float] = []
    devtools.on("Network.loadingFinished", lambda told: sizes.append(told["encodedDataLength"]))
    page.goto(site.base)
    page.wait_for_load_state("networkidle")
    page.evaluate("document.fonts.ready")
    assert len(sizes) > 8
    assert sum(sizes) / 1000 <= MOST_KB, f"{len(sizes)} files, {sum(sizes) / 1000:.0f} kB"
    print(f"{len(sizes)} files, {sum(sizes) / 1000:.0f} kB")


def test_one_types_and_sees_what_is_called_so(site: Site, open_page: OpenPage) -> None:
    page = open_page()
    site.sign_in(page)
    page.keyboard.press("/")
    page.keyboard.type("nothing like this")
    expect(page.get_by_text("No application is called so.")).to_be_visible()
    expect(page.locator("[data-shown]")).to_have_text("0 of 2")
    page.get_by_role("button", name="Show all").click()
    expect(page.locator("tr[data-name]")).to_have_count(2)
    expect(page).to_have_url(site.base + "/")


def test_the_choice_stays_in_the_address(site: Site, open_page: OpenPage) -> None:
    page = open_page()
    site.sign_in(page)
    page.get_by_role("button", name=re.compile("^Attention")).click()
    expect(page.locator("tr[data-name]")).to_have_count(0)
    page.wait_for_url(site.base + "/?which=attention")
    page.reload()
    expect(page.get_by_role("button", name=re.compile("^Attention"))).to_have_attribute("aria-pressed", "true")
    page.get_by_role("button", name=re.compile("^All")).click()
    expect(page.locator("tr[data-name]")).to_have_count(2)


def test_a_starred_target_makes_its_application_ones_own(site: Site, open_page: OpenPage) -> None:
    page = open_page()
    site.sign_in(page, "viewer", to="/storefront/production/")  # who has deployed nothing
    page.get_by_role("button", name="Star", exact=True).click()
    expect(page.get_by_role("button", name="Starred")).to_have_attribute("aria-pressed", "true")
    page.goto(site.base)
    expect(page.locator("tr[data-name]").first).to_have_attribute("data-name", "storefront")
    expect(page.locator('tr[data-name="storefront"] th')).to_contain_text("starred")
    page.goto(site.base + "/storefront/production/")
    page.get_by_role("button", name="Starred").click()
    expect(page.get_by_role("button", name="Star", exact=True)).to_be_visible()


def test_an_application_leads_to_its_page_and_on_to_a_promotion(site: Site, open_page: OpenPage) -> None:
    page = open_page()
    site.sign_in(page, "administrator")
    deploy(site, page, "storefront", "production", "v1.2")  # so that it lacks what is newer
    wait_for_end(page)
    page.goto(site.base)
    page.get_by_role("rowheader").get_by_role("link", name="storefront").click()
    page.wait_for_url(site.base + "/storefront/")
    expect(page.get_by_role("heading", name="Not in production yet")).to_be_visible()
    expect(page.locator(".dp-far").first).to_be_visible()
    page.get_by_role("link", name="Deploy", exact=True).click()
    page.wait_for_url(site.base + "/storefront/staging/deploy")
