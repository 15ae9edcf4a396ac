"""`make screenshots`: every page of a living demo as a picture, in both themes, on a desk and on a phone.

They go to docs/screenshots/ as WebP, made by the browser itself, so that nothing else has to be installed. Names are
the routes' (tests/browser/every_page.py), the width and the theme; `first-…` are those of the first fifteen minutes
(first_minutes.py), of which only FIRST_KEPT are part of the documentation. Arguments are names: only those are taken
anew. PICTURES=folder puts all of them there instead.
"""

import base64
import os
import re
import shutil
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import django
from playwright.sync_api import Browser, Page, sync_playwright

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))
os.environ["DJANGO_SETTINGS_MODULE"] = "tests.settings"
django.setup()  # what tests share imports models

from first_minutes import walk  # noqa: E402

from tests.browser.conftest import NAMES, QUIET, Site  # noqa: E402
from tests.browser.empty_site import EmptySite  # noqa: E402
from tests.browser.every_page import DOORS, PAGES  # noqa: E402
from tests.deployer_site.copies import Copy  # noqa: E402

FOLDER = Path(os.environ.get("PICTURES") or ROOT / "docs" / "screenshots")
FIRST_KEPT = ("first-start", "first-deploy-key", "first-fingerprints", "first-ready", "first-target", "first-over")
SIZES = [(1440, "light"), (1440, "dark"), (390, "light"), (390, "dark")]
TALLEST = {1440: 1400, 390: 1600}
QUALITY = 0.6
DEPLOY_SECONDS = 180.0
TO_WEBP = """async ([data, quality]) => {
    const picture = new Image();
    picture.src = "data:image/png;base64," + data;
    await picture.decode();
    const canvas = document.createElement("canvas");
    [canvas.width, canvas.height] = [picture.naturalWidth, picture.naturalHeight];
    canvas.getContext("2d").drawImage(picture, 0, 0);
    return canvas.toDataURL("image/webp", quality).split(",")[1];
}"""


def until(condition: Callable[[], object], seconds: float = DEPLOY_SECONDS, what: str = "This") -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError(f"{what} did not come true within {seconds:.0f} s.")
        time.sleep(0.2)


def act(site: Site, page: Page) -> None:
    """Something to see: a host is drained, a release is prepared and held, another waits behind it, one runs.

    The demo itself holds a lock, with somebody in line, and a reservation; RULES adds a team and values.
    """
    page.goto(f"{site.base}/hosts/us-east-b-01")
    page.get_by_label("Why").fill("New disk, back at noon")
    page.get_by_role("button", name="Drain").click()
    for application, ref, when in (("pricing-api", "main", "held"), ("pricing-api", "v1.1", "now")):
        page.goto(f"{site.base}/{application}/production/deploy?ref={ref}")
        page.locator(f'input[name="when"][value="{when}"]').check()
        page.locator("form button.dp-btn-go").click()
        page.wait_for_url(re.compile(r"/deploys/\d+$"))
    page.goto(f"{site.base}/waiting")
    until(lambda: "Go live now" in page.inner_text("main"))
    page.goto(f"{site.base}/storefront/production/deploy?ref=main")
    page.locator("form button.dp-btn-go").click()
    page.wait_for_url(re.compile(r"/deploys/\d+$"))


# A team with a role, values in three layers, and machines that speak, one of them no more.
RULES = """
from datetime import timedelta
from django.utils import timezone
from environments import granting, teams
from environments.configuration.changing import set_value
from environments.configuration.scopes import find_scope
from environments.models import Heartbeat, Target, User
from environments.sources import heartbeats, keeping, refreshing

ada, ben, cleo = (User.objects.get(username=name) for name in ("ada", "ben", "cleo"))
production = Target.objects.get(application__name="pricing-api", environment__name="production")
team = teams.make("pricing", by=ada)
for person in (ben, cleo):
    teams.add_member(team, person, by=ada)
granting.give(team, "maintainer", application=production.application, by=ada)
for layer, name, value, secret in (
    ("application", "LOG_LEVEL", "info", False),
    ("application", "DATABASE_PASSWORD", "made up", True),
    ("environment", "CURRENCY_RATES", "https://rates.example/v2", False),
    ("target", "LOG_LEVEL", "warning", False),
):
    set_value(find_scope(production, layer), name, value, secret=secret, by=ada)
plan = keeping.Plan(kind="heartbeat", name="machines", environment="production", settings={"silent_minutes": "10"})
source, _ = keeping.add(plan, by=ada)
for name in ("ap-south-a-01", "eu-west-a-01", "us-east-a-01"):
    row, _ = heartbeats.make(source, name, days=365, by=ada)
    heartbeats.hear(row, heartbeats.Said(labels={"tier": "front"}))
refreshing.refresh(source)
Heartbeat.objects.filter(name="us-east-a-01").update(heard_at=timezone.now() - timedelta(hours=2))
"""


def take(browser: Browser, developing: Page, site: Site, pages: dict[str, str], *, signed_in: bool) -> None:
    for width, theme in SIZES:
        context = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=theme)  # type: ignore[arg-type]
        page = context.new_page()
        if signed_in:
            site.sign_in(page, "administrator")
        for name, path in pages.items():
            answered = page.goto(site.base + path)
            if answered is None or not answered.ok:
                raise SystemExit(f"{path} was not answered as it should be; no picture of it was taken.")
            page.wait_for_load_state("networkidle")
            keep(page, developing, f"{name}-{width}-{theme}")
        context.close()


def keep(page: Page, developing: Page, name: str) -> None:
    """What the page shows now, as a file."""
    page.evaluate("document.fonts.ready")
    width = page.evaluate("innerWidth")
    height = min(TALLEST[width], page.evaluate("document.documentElement.scrollHeight"))
    png = page.screenshot(full_page=True, clip={"x": 0, "y": 0, "width": width, "height": height})
    text = developing.evaluate(TO_WEBP, [base64.b64encode(png).decode(), QUALITY])
    (FOLDER / f"{name}.webp").write_bytes(base64.b64decode(text))


def take_first_minutes(browser: Browser, developing: Page, folder: Path, only: set[str]) -> None:
    """Those that were asked for; else those that the documentation has."""
    wanted = only or set(FIRST_KEPT)

    def shoot(site: EmptySite, name: str, path: str, selector: str) -> None:
        for width, theme in SIZES if name in wanted else []:
            page = site.open(browser, width=width, theme=theme)  # type: ignore[arg-type]
            page.goto(site.base + path)
            page.locator(selector).first.wait_for(timeout=DEPLOY_SECONDS * 1000)
            page.wait_for_load_state("networkidle")
            keep(page, developing, f"{name}-{width}-{theme}")
            page.context.close()

    walk(browser, folder, shoot, until)


def main() -> None:
    FOLDER.mkdir(parents=True, exist_ok=True)
    only = set(sys.argv[1:])
    for old in [] if only else FOLDER.glob("*.webp"):
        old.unlink()
    first = {name for name in only if name.startswith("first-")}
    if first or not only:
        chromium = next(filter(None, map(shutil.which, NAMES)), None)
        with tempfile.TemporaryDirectory(prefix="deployer-first-") as folder, sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=chromium, args=list(QUIET))
            take_first_minutes(browser, browser.new_page(), Path(folder), first)
            browser.close()
    if not only or only - first:
        take_demo(only)
    size = sum(picture.stat().st_size for picture in FOLDER.glob("*.webp"))
    print(f"{len(list(FOLDER.glob('*.webp')))} pictures, {size / 1e6:.1f} MB in {os.path.relpath(FOLDER)}")


def take_demo(only: set[str]) -> None:
    """Every page of a demo in which something happens."""
    chromium = next(filter(None, map(shutil.which, NAMES)), None)
    with tempfile.TemporaryDirectory(prefix="deployer-pictures-") as folder:
        copy = Copy(Path(folder) / "var", eventually=until, DEMO="1")
        try:
            copy.wait_until_ready()
            until(lambda: copy.get("/readyz")[0] == 200)
            with sync_playwright() as playwright:
                browser = playwright.chromium.launch(executable_path=chromium, args=list(QUIET))
                page, site = browser.new_page(), Site(copy)
                doors = {name: DOORS[name] for name in ("signin", "forgotten") if not only or name in only}
                take(browser, page, site, doors, signed_in=False)
                actor = browser.new_page()
                site.sign_in(actor)
                act(site, actor)
                site.run(RULES)
                deploy = {"running": "/" + actor.url.split("/", 3)[3]}
                more = deploy | {
                    "target-locked": "/pricing-api/staging/",
                    "heartbeats": "/settings/sources/of/machines",
                }
                pages = {name: path for name, path in (more | PAGES).items() if not only or name in only}
                take(browser, page, site, pages, signed_in=True)
                browser.close()
        finally:
            copy.stop()


if __name__ == "__main__":
    main()
