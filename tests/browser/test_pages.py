"""Every page as a picture, in both themes, on a desk and on a phone; the theme; the keyboard; what a viewer may do."""

import re
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import OpenPage, Site, deploy, wait_for_end

pytestmark = pytest.mark.browser
PAGES = {
    "signin": "/signin",
    "home": "/",
    "target": "/storefront/production/",
    "new": "/storefront/production/deploy?ref=feature/dark-mode",
    "deploy": "/deploys/4",
}


def settle(page: Page) -> None:
    """Until fonts and the parts that come later are there."""
    page.wait_for_load_state("networkidle")
    page.evaluate("document.fonts.ready")


@pytest.mark.parametrize("width", [1440, 390])
def test_pictures(width: int, site: Site, open_page: OpenPage, pictures: Path) -> None:
    page = open_page(width=width)
    for name, path in PAGES.items():
        if name == "signin":
            page.goto(site.base + path)
        else:
            site.sign_in(page, to=path)
        if name == "deploy":
            wait_for_end(page)
        settle(page)
        for theme in ("light", "dark"):
            page.emulate_media(color_scheme=theme)
            expect(page.locator("html")).to_have_attribute("data-bs-theme", theme)
            too_wide = page.evaluate("document.documentElement.scrollWidth > innerWidth")
            assert not too_wide, f"{name} is wider than {width} px"
            page.screenshot(path=pictures / f"{name}-{width}-{theme}.png", full_page=True, animations="disabled")


def test_the_theme_is_remembered_and_is_there_before_the_first_paint(site: Site, open_page: OpenPage) -> None:
    page = open_page(theme="light")
    site.sign_in(page)
    page.get_by_role("button", name="Light or dark").click()
    expect(page.locator("html")).to_have_attribute("data-bs-theme", "dark")
    page.add_init_script(
        """addEventListener("DOMContentLoaded", () => {
            window.early = document.documentElement.getAttribute("data-bs-theme");
        }, { once: true });"""
    )
    page.goto(f"{site.base}/storefront/staging/")
    assert page.evaluate("window.early") == "dark"


def test_the_search_filters_the_matrix_and_stays_in_the_address(site: Site, open_page: OpenPage) -> None:
    page = open_page()
    site.sign_in(page)
    page.keyboard.press("/")
    page.keyboard.type("pric")
    expect(page.locator('tr[data-name="storefront"]')).to_be_hidden()
    expect(page.locator('tr[data-name="pricing-api"]')).to_be_visible()
    assert page.url.endswith("/?q=pric")
    page.keyboard.press("Enter")
    page.keyboard.press("Enter")
    page.wait_for_url(re.compile("/pricing-api/"))


def test_a_viewer_looks_but_cannot_deploy(site: Site, open_page: OpenPage) -> None:
    page = open_page()
    site.sign_in(page, "viewer", to="/storefront/production/")
    button = page.get_by_role("button", name="Your role may look, not deploy")
    expect(button).to_have_attribute("aria-disabled", "true")
    expect(page.locator("[formaction]")).to_have_count(0)


def test_one_signs_in_and_signing_out_ends_it(site: Site, open_page: OpenPage) -> None:
    page = open_page()
    site.sign_in_by_form(page)
    page.locator("summary.dp-me").click()
    page.get_by_role("button", name="Sign out").click()
    page.wait_for_url(re.compile("/signin"))
    page.goto(f"{site.base}/storefront/production/")
    expect(page).to_have_url(re.compile(r"/signin\?next=/storefront/production/"))


def test_a_picture_of_a_deploy_under_way(site: Site, open_page: OpenPage, pictures: Path) -> None:
    page = open_page()
    site.sign_in(page)
    deploy(site, page, "pricing-api", "production", "main")
    address = page.url
    page.goto(site.base)
    expect(page.locator(".dp-now")).to_contain_text("pricing-api to production")
    page.screenshot(path=pictures / "home-running-1440-light.png", full_page=True)
    page.goto(address)
    expect(page.locator(".dp-log-seen > li")).not_to_have_count(0)
    page.screenshot(path=pictures / "running-1440-light.png", full_page=True)
    wait_for_end(page)
