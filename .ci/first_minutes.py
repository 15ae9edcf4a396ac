"""The first fifteen minutes as pictures: an empty Deployer, two real SSH hosts, a repository behind a third server."""

from collections.abc import Callable
from pathlib import Path

from playwright.sync_api import Browser, Page

from tests.browser.empty_site import EmptySite, let_in
from tests.deployer_site.copies import Copy
from tests.deployments.fleet import closed_port
from tests.deployments.openssh import running
from tests.processes import Processes
from tests.repository import Repository

SECONDS = 90_000
FILES = {"Gemfile": "", "Gemfile.lock": "    passenger (6)\n", "config.ru": "run Shop\n", "config/master.key": ""}
READY = '[data-host][data-state="ok"], [data-host][data-state="warn"]'
TRUST = "button:has-text('Yes, trust')"

Shoot = Callable[[EmptySite, str, str, str], None]


def walk(browser: Browser, folder: Path, shoot: Shoot, until: Callable[..., None]) -> None:
    """Go the whole way, and `shoot(site, name, path, selector)` each page on it once the selector is to be seen."""
    processes = Processes()
    repository = Repository(folder)
    repository.commit(FILES)
    repository.commit({"x": "1"}, branch="feature/dark-mode")
    repository.git("checkout", "-q", "main")
    try:
        with (
            running(processes, folder / "web-1") as one,
            running(processes, folder / "web-2") as two,
            running(processes, folder / "git-host") as git_host,
        ):
            for server in (one, two, git_host):
                (server.folder / "authorized_keys").touch(mode=0o600)
            copy = Copy(folder / "var", eventually=until)
            try:
                copy.wait_until_ready()
                _go(EmptySite(copy, [one, two], git_host, repository), browser, shoot)
            finally:
                copy.stop()
    finally:
        processes.stop()


def _go(site: EmptySite, browser: Browser, shoot: Shoot) -> None:
    shoot(site, "first-welcome", site.link.removeprefix(site.base), "main form")
    page = site.open(browser)
    page.set_default_timeout(SECONDS)
    _come_in(site, page)
    shoot(site, "first-start", "/start", "h1")
    _connect(site, page, shoot)
    _add_hosts(site, page, shoot)
    _deploy(site, page, shoot)
    page.context.close()


def _come_in(site: EmptySite, page: Page) -> None:
    page.goto(site.link)
    for label, text in (("Your name", "Grace Hopper"), ("User name", "grace"), ("Password", "seven-words-are-long")):
        page.get_by_label(label).fill(text)
    page.get_by_role("button", name="Begin").click()
    page.wait_for_url("**/start")
    site.keep_session(page)


def _connect(site: EmptySite, page: Page, shoot: Shoot) -> None:
    where = "/applications/shop/repository"
    shoot(site, "first-repository", "/applications/add", "main form")
    page.goto(f"{site.base}/applications/add")
    page.get_by_label("Repository").fill(site.address)
    page.get_by_label("What shall it be called here?").fill("shop")
    page.get_by_role("button", name="Connect it").click()
    page.locator(TRUST).wait_for()
    shoot(site, "first-git-host", where, TRUST)
    page.locator(TRUST).click()
    page.locator('[data-trouble="key-refused"]').wait_for()
    shoot(site, "first-deploy-key", where, '[data-trouble="key-refused"]')
    let_in(site.git_host, page.locator("#deploy-key").inner_text())
    shoot(site, "first-reached", where, "text=It looks like Ruby")


def _add_hosts(site: EmptySite, page: Page, shoot: Shoot) -> None:
    (one, two), where = site.hosts, "/environments/production/hosts/check"
    shoot(site, "first-hosts", "/hosts/add", "main form")
    page.goto(f"{site.base}/hosts/add")
    page.get_by_label("Hosts").fill(f"{site.line_of(one)} as web-1\n{two.user}@127.0.0.1:{closed_port()} as web-2\n")
    page.get_by_role("button", name="Add them").click()
    page.locator('[data-trouble="unreachable"]').wait_for()
    shoot(site, "first-wrong-port", where, '[data-trouble="unreachable"]')
    row = page.locator('[data-host="web-2"]')
    row.locator("summary").click()
    page.get_by_label("User, address and port of web-2").fill(site.line_of(two))
    row.get_by_role("button", name="Save and check").click()
    row.locator(".dp-finger code").wait_for()
    shoot(site, "first-fingerprints", where, "text=Yes, trust all 2")
    page.locator("text=Yes, trust all 2").click()
    row.locator('[data-trouble="key-refused"]').wait_for()
    shoot(site, "first-no-key", where, '[data-host="web-2"] [data-trouble="key-refused"]')
    for server in site.hosts:
        let_in(server, page.locator("#own-key-line").inner_text())
    shoot(site, "first-ready", where, "text=2 of 2 ready")


def _deploy(site: EmptySite, page: Page, shoot: Shoot) -> None:
    where = "/targets/add?application=shop&environment=production"
    shoot(site, "first-target", where, READY)
    page.goto(site.base + where)
    page.get_by_label("Run the step bundle").uncheck()
    page.get_by_role("button", name="Use this").click()
    page.wait_for_url("**/start")
    shoot(site, "first-one-host", "/shop/production/deploy?to=one", "button:has-text('Deploy ')")
    shoot(site, "first-dry-run", "/shop/production/deploy/rehearsal?ref=main", "pre.dp-code")
    for _ in range(2):
        page.goto(f"{site.base}/start?go=on")
        page.locator("form button.dp-btn-go").click()
        page.wait_for_url("**/deploys/*")
        page.locator("[data-count]:has-text('sha256')").wait_for()
    shoot(site, "first-over", "/start", "text=You are set up")
