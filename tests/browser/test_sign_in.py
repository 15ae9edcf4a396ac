"""Signing in by a provider, as a person does it; and the pages about it, which the demo does not have."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.conftest import PATIENCE, OpenPage, Site
from tests.browser.every_page import SEEDED
from tests.browser.test_accessibility import look_at
from tests.environments.providers import provider
from tests.environments.providers.provider import CLIENT, SECRET, Provider

MAKE = """
from environments.models import Role
from environments.providers import keeping, testing
made = keeping.add(keeping.Plan(
    name="example", title="Example Corp", issuer={issuer!r}, client_id={client!r}, secret={secret!r}), by=None)
keeping.map_group(made, "shop-people", role=Role.DEPLOYER, by=None)
testing.try_out(made, by=None)
"""
REMOVE = """
from environments.models import SignInProvider, User
User.objects.filter(identities__isnull=False).delete()
SignInProvider.objects.all().delete()
"""


@pytest.fixture
def example(site: Site) -> Iterator[Provider]:
    """A provider that runs and is set up; nobody else's tests see it."""
    with provider.serving() as running:
        running.redirects.append(f"{site.base}/signin/with/example/back")
        site.run(MAKE.format(issuer=running.address, client=CLIENT, secret=SECRET))
        yield running
        site.run(REMOVE)


@pytest.fixture
def visitor(browser: Browser) -> Iterator[Page]:
    """A page that may leave for the provider. Afterwards: no script has failed, and no policy was against anything."""
    context, wrong = browser.new_context(), []
    context.set_default_timeout(PATIENCE)
    page = context.new_page()
    page.on("pageerror", lambda error: wrong.append(f"script: {error}"))
    page.on("console", lambda said: wrong.append(said.text) if "Content Security Policy" in said.text else None)
    yield page
    context.close()
    assert not wrong


def test_a_person_signs_in_by_a_provider_and_out_again(site: Site, example: Provider, visitor: Page) -> None:
    example.add("zoe", groups=["shop-people"])
    page = visitor
    page.goto(f"{site.base}/signin?next=/waiting")
    page.get_by_role("link", name="Sign in with Example Corp").click()
    expect(page.get_by_role("heading", name="Example provider")).to_be_visible()
    page.get_by_label("Name").fill("zoe")
    page.get_by_label("Password").fill("correct horse")
    page.get_by_role("button", name="Go on").click()
    page.wait_for_url(f"{site.base}/waiting")
    page.goto(f"{site.base}/settings")
    expect(page.get_by_text("Zoe Example").first).to_be_visible()
    page.evaluate("document.querySelector('form[action=\"/signout\"]').requestSubmit()")
    page.wait_for_url(f"{site.base}/signin?left=example")
    page.get_by_role("link", name="Sign out there too").click()
    page.wait_for_url(f"{site.base}/signin")
    assert "/leave" in example.asked
    page.goto(f"{site.base}/waiting")
    expect(page.get_by_role("heading", name="Sign in")).to_be_visible()


def test_a_lie_is_told_and_the_password_stays(site: Site, example: Provider, visitor: Page) -> None:
    example.add("zoe")
    example.alters = lambda said: said.update(nonce="another")
    page = visitor
    page.goto(f"{site.base}/signin/with/example")
    page.get_by_label("Name").fill("zoe")
    page.get_by_label("Password").fill("correct horse")
    page.get_by_role("button", name="Go on").click()
    expect(page.get_by_role("alert")).to_contain_text("answers another question than ours")
    expect(page.get_by_label("Password")).to_be_visible()


@pytest.mark.usefixtures("example")
def test_its_pages_have_no_finding(site: Site, open_page: OpenPage) -> None:
    page = open_page(outage=True)
    wrong = look_at(page, site, [("signin", "/signin?left=example")])
    site.sign_in(page, "administrator")
    wrong += look_at(page, site, SEEDED.items())
    assert not wrong, "\n".join(wrong)
