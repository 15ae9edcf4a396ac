"""The first fifteen minutes, as somebody has them who has read nothing: from the printed link to a rollback.

One story; its tests follow each other on one installation, two real SSH hosts and a repository behind a third server.
"""

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from tests.browser.conftest import wait_for_end
from tests.browser.empty_site import EmptySite, let_in
from tests.conftest import Wait
from tests.deployer_site.copies import Copy
from tests.deployments.fleet import closed_port
from tests.deployments.openssh import restart_with_new_key, running
from tests.processes import Processes
from tests.repository import Repository

pytestmark = pytest.mark.browser
DEPLOY = re.compile("^Deploy [0-9a-f]{7}")
READY = '[data-host][data-state="ok"], [data-host][data-state="warn"]'
SECONDS = 90_000


@pytest.fixture(scope="module")
def empty(
    processes: Processes, tmp_path_factory: pytest.TempPathFactory, eventually: Wait, migrated: Path
) -> Iterator[EmptySite]:
    folder = tmp_path_factory.mktemp("first")
    repository = Repository(folder)
    repository.commit(
        {"Gemfile": "", "Gemfile.lock": "    passenger (6)\n", "config.ru": "run Shop\n", "page": "one\n"}
    )
    repository.commit({"x": "1"}, branch="feature/dark-mode")
    repository.git("checkout", "-q", "main")
    with (
        running(processes, folder / "web-1") as one,
        running(processes, folder / "web-2") as two,
        running(processes, folder / "git-host") as git_host,
    ):
        for server in (one, two, git_host):
            (server.folder / "authorized_keys").touch(mode=0o600)
        copy = Copy(folder / "var", eventually=eventually, migrated=migrated)
        try:
            copy.wait_until_ready()
            yield EmptySite(copy, [one, two], git_host, repository)
        finally:
            copy.stop()


@pytest.fixture
def page(empty: EmptySite, browser: Browser) -> Iterator[Page]:
    """In a window of its own, signed in as whoever came in first."""
    opened = empty.open(browser)
    opened.set_default_timeout(SECONDS)
    yield opened
    empty.keep_session(opened)
    opened.context.close()
    assert not empty.wrong


def picture(page: Page, pictures: Path, name: str) -> None:
    page.screenshot(path=pictures / f"first-{name}.png", full_page=True)


def row(page: Page, name: str) -> Locator:
    return page.locator(f'[data-host="{name}"]')


def wait(found: Locator) -> None:
    expect(found).to_be_visible(timeout=SECONDS)


def go_on(page: Page, to: str) -> None:
    page.get_by_role("link", name="Go on").click()
    page.wait_for_url(f"**{to}")


def deploy(page: Page) -> None:
    """The one button of a new deploy, and then until its end."""
    page.get_by_role("button", name=DEPLOY).click()
    page.wait_for_url(re.compile(r"/deploys/\d+$"))
    wait_for_end(page)


def test_the_printed_link_makes_the_first_administrator_once(empty: EmptySite, page: Page, pictures: Path) -> None:
    page.goto(empty.link)
    picture(page, pictures, "01-welcome")
    page.keyboard.type("Grace Hopper")
    page.keyboard.press("Tab")
    page.keyboard.type("grace")
    page.keyboard.press("Tab")
    page.keyboard.type("short")
    page.keyboard.press("Enter")
    wait(page.get_by_text("too short"))
    page.get_by_label("Password").fill("seven-words-are-long")
    page.get_by_role("button", name="Begin").click()
    page.wait_for_url("**/start")
    picture(page, pictures, "02-start")
    page.goto(empty.link)
    wait(page.get_by_role("heading", name="This link opens nothing"))
    page.goto(empty.base)
    page.get_by_role("link", name="Begin").click()
    page.wait_for_url("**/start")


def test_a_repository_is_connected_by_a_key_of_its_own(empty: EmptySite, page: Page, pictures: Path) -> None:
    page.goto(f"{empty.base}/start?go=on")
    field = page.get_by_label("Repository")
    field.fill(f"https://127.0.0.1:{closed_port()}/shop.git")
    expect(page.get_by_label("What shall it be called here?")).to_have_value("shop")
    page.keyboard.press("Enter")
    wait(page.locator('[data-trouble="no-connection"]'))
    page.get_by_text("Change the address").click()
    field.fill(empty.address)
    page.get_by_role("button", name="Save and check again").click()
    wait(page.get_by_role("button", name="Yes, trust it"))
    shown = page.locator("#checked .dp-finger code").inner_text()
    assert shown == fingerprint_of(empty.git_host.folder / "host_key.pub")
    page.get_by_role("button", name="Yes, trust it").click()
    wait(page.locator('[data-trouble="key-refused"]'))
    picture(page, pictures, "03-key-refused")
    line = page.locator("#deploy-key").inner_text()
    assert "deployer-shop" in line
    let_in(empty.git_host, line)
    page.get_by_role("button", name="Check again").click()
    wait(page.get_by_text("It looks like Ruby"))
    expect(page.get_by_label("Deploys come from")).to_have_value("main")
    expect(page.get_by_label("Deploys come from").locator("option")).to_have_text(["main", "feature/dark-mode"])
    picture(page, pictures, "04-reached")
    go_on(page, "/hosts/add")


def fingerprint_of(public: Path) -> str:
    """What the machine itself prints."""
    return subprocess.check_output(["ssh-keygen", "-lf", public], text=True).split()[1]


def test_hosts_are_added_confirmed_and_looked_at(empty: EmptySite, page: Page, pictures: Path) -> None:
    one, two = empty.hosts
    page.goto(f"{empty.base}/start?go=on")
    page.get_by_label("Hosts").fill(f"{empty.line_of(one)} as web-1\nweb 2")
    page.get_by_role("button", name="Add them").click()
    wait(page.get_by_text("Line 2:"))
    page.get_by_label("Hosts").fill(
        f"# ours\n{empty.line_of(one)} as web-1\n{two.user}@127.0.0.1:{closed_port()} as web-2\n"
    )
    page.get_by_role("button", name="Add them").click()
    page.wait_for_url("**/environments/production/hosts/check")
    wait(row(page, "web-2").locator('[data-trouble="unreachable"]'))
    picture(page, pictures, "05-wrong-port")
    row(page, "web-2").locator("summary").click()
    page.get_by_label("User, address and port of web-2").fill(empty.line_of(two))
    row(page, "web-2").get_by_role("button", name="Save and check").click()
    for name, server in (("web-1", one), ("web-2", two)):
        shown = row(page, name).locator(".dp-finger code")
        expect(shown).to_have_text(fingerprint_of(server.folder / "host_key.pub"), timeout=SECONDS)
        assert server.signed_in == 0
    page.get_by_role("button", name="Yes, trust all 2").click()
    wait(row(page, "web-1").locator('[data-trouble="key-refused"]'))
    wait(row(page, "web-2").locator('[data-trouble="key-refused"]'))
    picture(page, pictures, "06-no-key")
    for server in empty.hosts:
        let_in(server, page.locator("#own-key-line").inner_text())
    page.get_by_role("button", name="Check all again").click()
    expect(page.locator(READY)).to_have_count(2, timeout=SECONDS)
    expect(page.locator("[data-tally]")).to_have_text("2 of 2 ready")
    picture(page, pictures, "07-ready")
    assert all(list(server.home.iterdir()) == [] for server in empty.hosts), "a look has written something"


def test_a_host_with_another_key_gets_no_command(
    empty: EmptySite, page: Page, processes: Processes, pictures: Path
) -> None:
    two = empty.hosts[1]
    restart_with_new_key(processes, two)
    page.goto(f"{empty.base}/environments/production/hosts/check")
    changed = row(page, "web-2")
    wait(changed.locator('[data-trouble="host-key-changed"]'))
    expect(changed.locator(".dp-finger code").first).to_have_text(fingerprint_of(two.folder / "host_key.pub"))
    picture(page, pictures, "08-changed")
    page.get_by_role("button", name="The machine was made anew").click()
    expect(page.locator(READY)).to_have_count(2, timeout=SECONDS)
    go_on(page, "/targets/add?application=shop&environment=production")


def test_how_it_is_deployed_is_proposed_and_edited(empty: EmptySite, page: Page, pictures: Path) -> None:
    page.goto(f"{empty.base}/start?go=on")
    expect(page.locator(READY)).to_have_count(2, timeout=SECONDS)
    expect(page.get_by_label("Signs in as")).to_have_value(empty.hosts[0].user)
    expect(page.get_by_label("Folders, one to a line")).to_have_value("log\ntmp/pids")
    page.get_by_label("Folder", exact=True).fill("/dev/null/shop")
    page.keyboard.press("Tab")
    expect(page.locator('[data-trouble="root"]')).to_have_count(2, timeout=SECONDS)
    picture(page, pictures, "09-folder")
    page.get_by_label("Folder", exact=True).fill("~/shop")
    page.keyboard.press("Tab")
    page.get_by_label("Run the step bundle").uncheck()
    page.get_by_label("Kind of step").select_option("lint")
    page.get_by_role("button", name="Add a step").click()
    expect(page.get_by_label("Name", exact=True).last).to_be_focused()
    page.get_by_role("button", name="Move lint up").click()
    page.get_by_role("button", name="Use this").click()
    wait(page.get_by_text("1 thing cannot be so"))
    page.get_by_label("Checks").fill("test -f config.ru")
    expect(page.locator(READY)).to_have_count(2, timeout=SECONDS)
    picture(page, pictures, "10-target")
    page.get_by_role("button", name="Use this").click()
    page.wait_for_url("**/start")
    wait(page.get_by_role("link", name="Deploy", exact=True))


def test_a_dry_run_then_one_host_then_all_then_back(empty: EmptySite, page: Page, pictures: Path) -> None:
    one, two = empty.hosts
    page.goto(f"{empty.base}/start?go=on")
    wait(page.get_by_role("button", name=DEPLOY))
    page.get_by_role("link", name="Dry run").click()
    wait(page.get_by_text("Nothing was run, and nothing was changed."))
    expect(page.locator("pre.dp-code").first).to_contain_text("config.ru")
    assert not (one.home / "shop").exists()
    page.goto(f"{empty.base}/start?go=on")
    deploy(page)
    assert (one.home / "shop/current/page").read_text() == "one\n"
    assert (one.home / "shop/current/tmp/restart.txt").exists()
    assert not (two.home / "shop").exists()
    page.goto(f"{empty.base}/start?go=on")
    deploy(page)
    assert (two.home / "shop/current/page").read_text() == "one\n"
    page.goto(f"{empty.base}/start")
    wait(page.get_by_role("heading", name="You are set up"))
    picture(page, pictures, "11-set-up")
    empty.repository.commit({"page": "two\n"})
    page.goto(f"{empty.base}/shop/production/deploy")
    deploy(page)
    assert (two.home / "shop/current/page").read_text() == "two\n"
    page.goto(f"{empty.base}/start")
    page.get_by_role("link", name="Choose what to go back to").click()
    page.get_by_role("link", name=re.compile("^Roll back to")).first.click()
    page.get_by_role("button", name=re.compile("Roll back")).click()
    page.wait_for_url(re.compile(r"/deploys/\d+$"))
    wait_for_end(page)
    assert {(server.home / "shop/current/page").read_text() for server in empty.hosts} == {"one\n"}
    page.goto(f"{empty.base}/start")
    expect(page.locator(".dp-first-done")).to_have_count(7)


def test_a_host_behind_a_bastion_is_trusted_after_it(
    empty: EmptySite, page: Page, processes: Processes, tmp_path: Path, pictures: Path
) -> None:
    with running(processes, tmp_path / "bastion") as bastion, running(processes, tmp_path / "inside") as inside:
        for server in (bastion, inside):
            (server.folder / "authorized_keys").touch(mode=0o600)
        page.goto(f"{empty.base}/hosts/add")
        page.get_by_label("They belong to").fill("staging")
        page.get_by_label("Hosts").fill(f"{empty.line_of(inside)} as inside via {empty.line_of(bastion)}")
        page.get_by_role("button", name="Add them").click()
        page.wait_for_url("**/environments/staging/hosts/check")
        wait(row(page, "inside").locator('[data-trouble="gateway-first"]'))
        first = row(page, "127-0-0-1")
        expect(first.locator(".dp-finger code")).to_have_text(fingerprint_of(bastion.folder / "host_key.pub"))
        picture(page, pictures, "12-bastion")
        assert bastion.signed_in == inside.signed_in == 0
        page.get_by_role("button", name="Yes, trust it").click()
        wait(row(page, "127-0-0-1").locator('[data-trouble="key-refused"]'))
        let_in(bastion, page.locator("#own-key-line").inner_text())
        page.get_by_role("button", name="Check all again").click()
        shown = row(page, "inside").locator(".dp-finger code")
        expect(shown).to_have_text(fingerprint_of(inside.folder / "host_key.pub"), timeout=SECONDS)
        assert inside.signed_in == 0
        page.get_by_role("button", name="Yes, trust it").click()
        let_in(inside, page.locator("#own-key-line").inner_text())
        wait(row(page, "inside"))
        page.get_by_role("button", name="Check all again").click()
        expect(page.locator(READY)).to_have_count(2, timeout=SECONDS)
        assert inside.signed_in


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_by_keyboard_on_a_phone(theme: str, empty: EmptySite, browser: Browser, pictures: Path) -> None:
    page = empty.open(browser, width=390, theme="dark" if theme == "dark" else "light")
    page.goto(f"{empty.base}/applications/add")
    expect(page.get_by_label("Repository")).to_be_focused()
    page.keyboard.type(f"https://127.0.0.1:{closed_port()}/phone-{theme}.git")
    page.keyboard.press("Enter")
    wait(page.locator('[data-trouble="no-connection"]'))
    picture(page, pictures, f"phone-connect-{theme}")
    for name, path in {
        "start": "/start",
        "add-hosts": "/hosts/add",
        "hosts": "/environments/production/hosts/check",
        "target": "/shop/production/edit",
    }.items():
        page.goto(empty.base + path)
        if name in ("hosts", "target"):
            expect(page.locator(READY)).to_have_count(2, timeout=SECONDS)
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), f"{name} is wider than a phone"
        picture(page, pictures, f"phone-{name}-{theme}")
    page.locator(".dp-step summary").first.focus()
    page.keyboard.press("Enter")
    expect(page.get_by_label("Name", exact=True).first).to_be_visible()
    page.context.close()
    assert not empty.wrong
