"""Locks between two people: what one does, the other sees at once, and nothing that one fills in gets lost."""

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.browser.conftest import OpenPage, Site

pytestmark = pytest.mark.browser

TARGET = "/storefront/staging/"
RELEASE_ALL = """
from environments import locks
from environments.models import LockRequest, User

LockRequest.objects.all().delete()
ada = User.objects.get(username="ada")
for lock in locks.held():
    locks.release(lock, by=ada)
"""


@pytest.fixture(autouse=True)
def left_as_it_was(site: Site) -> Iterator[None]:
    """No lock stays that would stop the deploys of other tests, or is in the way of the next."""
    yield
    site.run(RELEASE_ALL)


def open_target(site: Site, open_page: OpenPage, role: str) -> tuple[Page, Locator]:
    """The target's page of who has this role, and the card of its lock on it."""
    page = open_page()
    site.sign_in(page, role, to=TARGET)
    expect(page.locator("[data-connection]")).to_contain_text("Connected")
    return page, page.get_by_role("region", name="Lock", exact=True)


def mark(page: Page) -> None:
    """From now on this page is not to be loaded anew."""
    page.evaluate("window.marked = true")


def is_the_same(page: Page) -> bool:
    return bool(page.evaluate("window.marked === true"))


def lock(card: Locator, reason: str) -> None:
    card.get_by_text("Lock…").click()
    card.get_by_label("What for").fill(reason)
    card.get_by_label("How long").select_option("1h")
    card.get_by_role("button", name="Lock storefront/staging").click()
    expect(card).to_contain_text("You hold storefront/staging")


def test_one_locks_the_other_asks_waits_in_line_and_gets_it(site: Site, open_page: OpenPage) -> None:
    (ada, hers), (ben, his) = (open_target(site, open_page, role) for role in ("administrator", "deployer"))
    mark(ben)
    lock(hers, "Demo for the board")
    button = ben.locator("[data-piece=act]").get_by_role("button", disabled=True)
    expect(button).to_have_text(re.compile(r"Locked by Ada Marsh\s+until"))
    expect(his).to_contain_text("“Demo for the board”")
    assert is_the_same(ben)

    his.get_by_text("Wait in line…").click()
    his.get_by_label("What for").fill("Regression round")
    his.get_by_role("button", name="Wait in line", exact=True).click()
    mark(ada)
    expect(hers.get_by_role("listitem")).to_contain_text("Ben Sato")
    his.get_by_text("Ask…").click()
    his.get_by_label("What you need it for").fill("A hotfix, ten minutes")
    his.get_by_role("button", name="Ask Ada Marsh").click()
    expect(his.get_by_role("button", name="Asked")).to_have_attribute("aria-disabled", "true")
    expect(hers).to_contain_text("“A hotfix, ten minutes”")
    assert is_the_same(ada)

    mark(ben)
    hers.get_by_role("button", name="Release it").click()
    expect(his).to_contain_text("You are offered storefront/staging")
    assert is_the_same(ben)
    mark(ada)
    his.get_by_role("button", name="Take it for 2 h").click()
    expect(his).to_contain_text("You hold storefront/staging")
    expect(ben.locator("[data-piece=act]").get_by_role("link", name="Deploy")).to_be_visible()
    expect(hers).to_contain_text("Ben Sato holds storefront/staging")

    his.get_by_role("button", name="Unlock").click()
    expect(hers).to_contain_text("Nobody holds storefront/staging")
    expect(ada.locator("[data-piece=act]").get_by_role("link", name="Deploy")).to_be_visible()
    assert is_the_same(ada)


def test_what_one_fills_in_survives_what_another_does(site: Site, open_page: OpenPage) -> None:
    _, hers = open_target(site, open_page, "administrator")
    ben, his = open_target(site, open_page, "deployer")
    lock(hers, "Load test")
    his.get_by_text("Wait in line…").click()
    his.get_by_label("How long you want it then").select_option("4h")
    his.get_by_label("What for").fill("Regression")
    his.evaluate("card => card.dataset.old = 'yes'")
    hers.get_by_text("Extend…").click()
    hers.get_by_label("From now on").select_option("8h")
    hers.get_by_role("button", name="Extend", exact=True).click()
    expect(ben.locator("[data-piece=lock][data-old]")).to_have_count(0)  # it was replaced while he wrote
    ben.keyboard.type(" round")
    expect(his.get_by_label("What for")).to_have_value("Regression round")
    expect(his.get_by_label("How long you want it then")).to_have_value("4h")
    his.get_by_role("button", name="Wait in line", exact=True).click()
    expect(his.get_by_role("listitem")).to_contain_text("wants 4 h")
    expect(hers.get_by_role("listitem")).to_contain_text("Ben Sato")
    his.get_by_role("button", name="Leave the line").click()
    expect(hers.get_by_role("listitem")).to_have_count(0)


def test_a_click_counts_though_its_button_was_about_to_be_replaced(site: Site, open_page: OpenPage) -> None:
    ada, hers = open_target(site, open_page, "administrator")
    _, his = open_target(site, open_page, "deployer")
    lock(hers, "Load test")
    his.get_by_text("Wait in line…").click()
    his.get_by_label("What for").fill("Regression")
    place = hers.get_by_role("button", name="Unlock").bounding_box()
    assert place is not None
    ada.mouse.move(place["x"] + place["width"] / 2, place["y"] + place["height"] / 2)
    with ada.expect_response(lambda answer: "x-known" in answer.request.headers):
        ada.mouse.down()
        his.get_by_role("button", name="Wait in line", exact=True).click()
    for _ in range(3):
        ada.evaluate("new Promise(requestAnimationFrame)")
    ada.mouse.up()
    expect(his).to_contain_text("You are offered storefront/staging")
    expect(hers).not_to_contain_text("You hold storefront/staging")
