"""What waits, hosts, activity and settings: each page's main story, by click and by keyboard."""

import re
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import OpenPage, Site, deploy, wait_for_end

pytestmark = pytest.mark.browser

HOST = "us-east-b-01"
PASSWORD = "a long enough sentence"


def press(page: Page, name: str, *, role: str = "button") -> None:
    """Choose something as who has no mouse."""
    page.get_by_role(role, name=name).focus()  # type: ignore[arg-type]
    page.keyboard.press("Enter")


def test_a_host_is_set_aside_a_deploy_says_so_and_it_is_taken_back(site: Site, open_page: OpenPage) -> None:
    watcher, page = open_page(), open_page()
    site.sign_in(watcher, "viewer", to="/hosts")
    expect(watcher.locator("[data-connection]")).to_contain_text("Connected")
    site.sign_in(page, to=f"/hosts/{HOST}")
    page.get_by_label("Why").fill("New disk, back at noon")
    press(page, "Drain")
    expect(page.locator("[data-piece=lead]")).to_contain_text("Drained by Ben Sato")
    expect(watcher.locator("h1")).to_contain_text("1 set aside")  # without a reload
    deploy(site, page, "pricing-api", "production", "main")
    wait_for_end(page)
    log = page.request.get(f"{page.url}/log.txt").text()  # the pane holds the end only
    assert f"Left out: {HOST} (drained by Ben Sato: New disk, back at noon)" in log
    expect(page.locator(f"#host-{HOST}")).to_have_count(0)
    page.goto(f"{site.base}/hosts/{HOST}")
    press(page, "Take back")
    expect(page.get_by_role("status").first).to_contain_text(f"Deploys go to {HOST} again")
    expect(watcher.locator("h1")).not_to_contain_text("set aside")
    # what it missed is one click away
    page.get_by_role("button", name="Ask now").click()
    page.get_by_role("button", name=f"Converge pricing-api/production on {HOST}").click()
    page.wait_for_url(re.compile(r"/deploys/\d+$"))
    wait_for_end(page)


def test_what_waits_is_let_go_or_cancelled_where_it_stands(site: Site, open_page: OpenPage) -> None:
    page = open_page()
    site.sign_in(page)
    page.goto(f"{site.base}/pricing-api/staging/deploy?ref=main")
    page.get_by_label("when someone says so").or_(page.locator('input[name="when"][value="held"]')).first.check()
    page.get_by_role("button", name=re.compile("^(Deploy|Prepare) [0-9a-f]{7}")).click()
    page.wait_for_url(re.compile(r"/deploys/\d+$"))
    page.goto(f"{site.base}/waiting")
    queue = page.get_by_role("region", name="pricing-api / staging")
    expect(queue).to_contain_text("A person lets it go live")  # as soon as it is prepared, without a reload
    page.goto(f"{site.base}/pricing-api/staging/deploy?ref=v1.1")
    page.locator('input[name="when"][value="now"]').check()
    page.get_by_role("button", name=re.compile("wait|Wait|when it is free")).click()
    page.wait_for_url(re.compile(r"/deploys/\d+$"))
    page.goto(f"{site.base}/waiting")
    expect(queue.get_by_role("listitem")).to_have_count(2)
    expect(queue.get_by_role("listitem").nth(1)).to_contain_text("to go live")
    queue.get_by_role("listitem").nth(1).get_by_role("button", name="Cancel").focus()
    with page.expect_navigation():
        page.keyboard.press("Enter")
    expect(queue.get_by_role("listitem")).to_have_count(1)
    assert page.url == f"{site.base}/waiting"
    with page.expect_navigation():
        queue.get_by_role("button", name="Go live now").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Nothing waits.")


def test_the_list_of_hosts_is_narrowed_as_one_types(site: Site, open_page: OpenPage) -> None:
    page = open_page()
    site.sign_in(page, "viewer", to="/hosts")
    rows = page.locator(".dp-hosts tbody tr")
    expect(rows).to_have_count(18)
    page.get_by_label("Find a host by name or address").focus()
    page.keyboard.type("eu-west-a")
    expect(rows).to_have_count(2)
    expect(page).to_have_url(re.compile("q=eu-west-a"))
    page.get_by_label("Find a host by name or address").fill("nowhere")
    expect(page.locator("#host-list")).to_contain_text("No host matches")
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.get_by_role("link", name="Show all hosts").focus()
    page.evaluate("() => new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))")
    assert not [url for url in asked if "q=" in url], "what is typed already is not asked for again"
    press(page, "Show all hosts", role="link")
    expect(rows).to_have_count(18)
    expect(page.locator("[data-connection]")).to_contain_text("Connected")
    page.wait_for_load_state()  # all of its scripts have begun, of which the connection is only one
    page.get_by_label("Environment", exact=True).select_option("staging")
    expect(rows).to_have_count(6)
    page.get_by_role("link", name="us-east-b-02").focus()
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=1)).to_have_text("us-east-b-02")


def test_a_click_on_a_square_leads_to_its_host(site: Site, open_page: OpenPage) -> None:
    page = open_page()
    site.sign_in(page, "viewer", to="/environments")
    page.get_by_role("link", name="production", exact=True).click()
    page.locator('.dp-map [data-host="eu-west-a-01"]').click()
    page.wait_for_url(re.compile("/hosts/eu-west-a-01$"))


def test_a_hosts_keys_are_compared_before_they_are_trusted(site: Site, open_page: OpenPage) -> None:
    page = open_page()
    site.sign_in(page, "administrator", to="/hosts/ap-south-c-02")
    known = page.locator(".dp-key code").inner_text()
    press(page, "Scan its keys")
    shown = page.get_by_role("listitem").filter(has_text=known)
    expect(shown).to_contain_text("trusted")
    page.get_by_role("link", name="Back, accept nothing").click()
    press(page, f"Distrust {known}")
    expect(page.locator("[data-piece=keys]")).to_contain_text("No key is trusted")
    press(page, "Scan its keys")
    shown.get_by_role("button", name="They are the same, accept").click()
    expect(page.locator(".dp-key code")).to_have_text(known)
    expect(page.locator("[data-piece=events]")).to_contain_text("ada trusts ap-south-c-02 by its")


def test_the_activity_is_live_narrowed_by_its_address_and_taken_away(
    site: Site, open_page: OpenPage, tmp_path: Path
) -> None:
    page, other = open_page(), open_page()
    site.sign_in(page, "administrator", to="/activity")
    page.get_by_label("Kind").select_option("people")
    page.wait_for_url(re.compile(r"what=people"))
    page.get_by_label("Person").select_option("cleo")
    page.wait_for_url(re.compile(r"what=people&person=cleo"))
    expect(page.locator("[data-connection]")).to_contain_text("Connected")
    before = page.locator(".dp-trail > li").count()
    site.sign_in_by_form(other, "viewer")
    expect(page.locator(".dp-trail > li")).to_have_count(before + 1)
    expect(page.locator(".dp-trail > li").first).to_contain_text("Cleo Winter signed in.")
    with page.expect_download() as download:
        page.get_by_role("link", name="CSV").click()
    download.value.save_as(tmp_path / "activity.csv")
    lines = (tmp_path / "activity.csv").read_text().splitlines()
    assert lines[0].startswith("number,at,kind,who")
    assert len(lines) == before + 2
    assert all(",signed_" in line and ",cleo," in line for line in lines[1:])


def test_someone_is_invited_comes_in_and_is_shown_the_door(site: Site, open_page: OpenPage) -> None:
    page, guest = open_page(), open_page(outage=True)  # the console of the guest will tell of a refusal
    site.sign_in(page, "administrator", to="/settings/people")
    page.get_by_label("User name").fill("grace")
    page.get_by_label("Full name").fill("Grace Hopper")
    page.get_by_label("Full name").press("Enter")
    link = page.get_by_label("The link").input_value()
    guest.goto(link)
    expect(guest.get_by_role("heading", level=1)).to_have_text("Welcome, Grace Hopper")
    guest.get_by_label("Password").fill(PASSWORD)
    guest.get_by_label("Again").fill(PASSWORD)
    guest.get_by_label("Again").press("Enter")
    guest.wait_for_url(f"{site.base}/")
    expect(guest.locator(".dp-me")).to_contain_text("Grace Hopper")
    page.goto(f"{site.base}/settings/people")
    page.get_by_label("Role of Grace Hopper", exact=True).select_option("viewer")
    press(page, "Change the role of Grace Hopper")
    expect(page.get_by_role("status").first).to_contain_text("Grace Hopper is viewer now")
    press(page, "Disable Grace Hopper")
    expect(page.get_by_role("status").first).to_contain_text("open nothing any more")
    guest.wait_for_url(re.compile("/signin"))  # her open page too, within seconds
    press(page, "Disable Ada Marsh")
    expect(page.locator(".dp-notice")).to_contain_text("ada is the last administrator")


def test_a_passkey_is_added_and_opens_the_second_half_of_the_door(site: Site, open_page: OpenPage) -> None:
    site.run(f"from tests import builders; builders.make_user(username='dora', password={PASSWORD!r}, role='viewer')")
    page = open_page()
    device = page.context.new_cdp_session(page)
    device.send("WebAuthn.enable")
    options = {"protocol": "ctap2", "transport": "internal", "hasResidentKey": True, "hasUserVerification": True}
    device.send("WebAuthn.addVirtualAuthenticator", {"options": {**options, "isUserVerified": True}})

    def type_password() -> None:
        page.goto(f"{site.base}/signin?next=/settings/second-factor")
        page.get_by_label("User name").fill("dora")
        page.get_by_label("Password").fill(PASSWORD)
        press(page, "Sign in")

    type_password()
    page.get_by_label("What you call it").fill("Laptop")
    press(page, "Add a passkey")
    expect(page.locator(".dp-codes li")).to_have_count(10)
    expect(page.locator(".dp-factors")).to_contain_text("Laptop")
    page.context.clear_cookies()
    type_password()
    press(page, "Use a passkey")
    page.wait_for_url(f"{site.base}/settings/second-factor")
    expect(page.locator(".dp-factors")).to_contain_text("used now")
    page.get_by_role("button", name="Remove Laptop").click()
    expect(page.get_by_role("status").first).to_contain_text("It is removed")


def test_a_token_is_shown_once_and_revoked(site: Site, open_page: OpenPage) -> None:
    page = open_page()
    site.sign_in(page, to="/settings/tokens")
    page.get_by_label("What it is for").fill("Nightly build")
    page.get_by_label("What it is for").press("Enter")
    plain = page.get_by_label("The token").input_value()
    headers = {"Authorization": f"Bearer {plain}"}
    assert page.request.get(f"{site.base}/api/v1/targets", headers=headers).status == 200
    page.goto(f"{site.base}/settings/tokens")
    assert plain not in page.content()
    press(page, "Revoke Nightly build of Ben Sato")
    expect(page.locator("main")).to_contain_text("No tokens yet")
    assert page.request.get(f"{site.base}/api/v1/targets", headers=headers).status == 401


def test_environments_are_added_moved_and_removed(site: Site, open_page: OpenPage) -> None:
    page = open_page()
    site.sign_in(page, "administrator", to="/settings/environments")
    page.get_by_label("A new environment").fill("dev")
    page.get_by_label("A new environment").press("Enter")
    press(page, "Move dev up")
    press(page, "Move dev up")
    names = page.locator(".dp-tbl tbody tr td:nth-child(2)")
    expect(names).to_have_text(["dev", "staging", "production"])
    expect(page.get_by_role("button", name="Remove staging")).to_be_disabled()
    press(page, "Remove dev")
    expect(names).to_have_text(["staging", "production"])


def test_the_theme_is_chosen_in_the_settings(site: Site, open_page: OpenPage) -> None:
    page = open_page(theme="light")
    site.sign_in(page, "viewer", to="/settings")
    page.get_by_role("button", name="Dark", exact=True).press("Enter")
    expect(page.locator("html")).to_have_attribute("data-bs-theme", "dark")
    page.goto(f"{site.base}/waiting")
    expect(page.locator("html")).to_have_attribute("data-bs-theme", "dark")
    page.goto(f"{site.base}/settings")
    press(page, "As the system")
    expect(page.locator("html")).to_have_attribute("data-bs-theme", "light")


def test_a_viewer_reads_all_of_it_and_changes_nothing(site: Site, open_page: OpenPage) -> None:
    page = open_page(outage=True)
    site.sign_in(page, "viewer", to=f"/hosts/{HOST}")
    expect(page.locator("main [formaction], main form[method=post]:not(#act)")).to_have_count(0)
    page.goto(f"{site.base}/settings")
    expect(page.get_by_role("navigation", name="Settings").get_by_role("link")).to_have_text(
        ["Yours", "Tokens", "Teams", "Windows", "Steps"]
    )
    answered = page.goto(f"{site.base}/settings/people")
    assert answered
    assert answered.status == 403
