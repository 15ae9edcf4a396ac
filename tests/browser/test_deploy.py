"""A person deploys, watches, and sees what became of it: with a real browser, a real fleet and a real service."""

import hashlib
import json
import re

import pytest
from playwright.sync_api import Page, WebSocketRoute, expect

from tests.browser.conftest import OpenPage, Site, deploy, let_go, wait_for_end
from tests.browser.seeded_log import seed_code

pytestmark = pytest.mark.browser


def numbers(page: Page) -> list[int]:
    """The numbers of all lines that the page holds, by scrolling through them."""
    found: set[int] = set()
    box = page.locator(".dp-log")
    height = box.evaluate("box => box.scrollHeight")
    for top in range(0, height, 400):
        box.evaluate("(box, top) => { box.scrollTop = top; }", top)
        page.wait_for_function(
            "() => { const [seen, box] = ['.dp-log-seen', '.dp-log'].map(it => document.querySelector(it)"
            ".getBoundingClientRect()); return seen.top <= box.top + 12 && seen.bottom >= box.bottom - 12; }"
        )  # rows are drawn a moment after one has scrolled
        rows = page.locator(".dp-log-seen > li[id]").evaluate_all("rows => rows.map(row => row.id.slice(1))")
        assert len(rows) == len(set(rows))
        found |= set(map(int, rows))
    return sorted(found)


def test_it_deploys_to_twelve_hosts_and_shows_all_of_it(site: Site, open_page: OpenPage) -> None:
    page = open_page()
    site.sign_in(page, to="/storefront/production/")
    page.get_by_role("link", name="Deploy", exact=True).click()
    expect(page.get_by_role("heading", name=re.compile("commits go out"))).to_be_visible()
    page.get_by_role("button", name=re.compile("^Deploy [0-9a-f]{7}")).click()
    page.wait_for_url(re.compile(r"/deploys/\d+$"))
    expect(page.locator("[data-host]")).to_have_count(12)
    wait_for_end(page)
    expect(page.locator("[data-host][data-state=live]")).to_have_count(12)
    expect(page.locator(".dp-lead")).to_have_text(re.compile("Succeeded. All 12 hosts are live."))
    expect(page).to_have_title(re.compile("^✓ storefront to production #"))
    assert "succeeded" in (page.locator("link[rel=icon]").get_attribute("href") or "")
    end = page.locator("[data-count]").inner_text()
    stated = re.fullmatch(r"([\d,]+) lines, sha256 ([0-9a-f]{64})", end)
    assert stated
    count = int(stated[1].replace(",", ""))
    page.locator("[data-follow]").click()
    assert numbers(page) == list(range(1, count + 1))
    raw = page.request.get(f"{page.url.split('#', maxsplit=1)[0]}/log.txt?plain=1").body()
    assert raw.count(b"\n") == count
    assert hashlib.sha256(raw).hexdigest() == stated[2]


def test_a_lost_connection_loses_and_doubles_nothing(site: Site, open_page: OpenPage) -> None:
    page = open_page()
    asked: list[str] = []
    cuts: list[int] = []

    def cut(socket: WebSocketRoute) -> None:
        """Three connections break in the middle of a frame with lines: the first line arrives, the others are lost."""
        asked.append(socket.url)
        server = socket.connect_to_server()
        broken: list[bool] = []

        def pass_on(message: str | bytes) -> None:
            if broken:
                return
            lines = json.loads(message).get("lines")
            if not lines or len(cuts) == 3:
                socket.send(message)
                return
            socket.send(json.dumps({"lines": lines[:1]}))
            cuts.append(len(lines))
            broken.append(True)
            socket.close(code=4000)

        server.on_message(pass_on)

    page.route_web_socket(re.compile("/ws/deploys/"), cut)
    site.sign_in(page)
    deploy(site, page, "pricing-api", "staging", "main", held=True)  # so that there are lines to come
    let_go(page)
    wait_for_end(page)
    assert len(cuts) == 3
    assert len(asked) >= 4
    starts = [int(re.findall(r"[?&]from=(\d+)", address)[0]) for address in asked]
    assert starts == sorted(starts)
    assert len(set(starts)) > 1
    stated = re.match(r"[\d,]+", page.locator("[data-count]").inner_text())
    assert stated
    page.locator("[data-follow]").click()
    assert numbers(page) == list(range(1, int(stated[0].replace(",", "")) + 1))


def test_a_failure_says_what_happened_what_it_means_and_what_to_do(site: Site, open_page: OpenPage) -> None:
    page = open_page()
    site.sign_in(page)
    number = deploy(site, page, "storefront", "production", "fix/product-pictures")
    wait_for_end(page)
    card = page.locator(".dp-err")
    for word in ("What happened", "What it means", "What to do", "exit code", "retry"):
        expect(card).to_contain_text(word)
    host = card.locator("[data-show]").first
    name = host.inner_text()
    host.click()
    expect(page.locator(f"#host-{name}")).to_have_attribute("aria-pressed", "true")
    expect(page.locator("[data-count]")).to_contain_text(f"of {name}")
    expect(page.locator(".dp-log-seen > li[id]").first).to_be_visible()
    shown = page.locator(".dp-log-seen > li[id] > b").all_inner_texts()
    assert set(shown) == {name}
    expect(page.get_by_role("button", name=re.compile(r"Retry failed hosts \(\d+\)"))).to_be_visible()
    page.goto(site.base)
    expect(page.locator('tr[data-name="storefront"] td.dp-alarm')).to_contain_text("of 12 hosts")
    page.goto(f"{site.base}/deploys/{number}")
    page.get_by_role("button", name=re.compile("Roll back to")).click()
    page.wait_for_url(
        lambda address: re.search(r"/deploys/\d+$", address) is not None and not address.endswith(f"/{number}")
    )
    wait_for_end(page)
    expect(page.locator("[data-host][data-state=live]")).to_have_count(12)


def test_a_deploy_can_be_cancelled(site: Site, open_page: OpenPage) -> None:
    page = open_page()
    site.sign_in(page)
    deploy(site, page, "storefront", "staging", "feature/dark-mode", held=True)
    page.get_by_role("button", name="Cancel", exact=True).click()
    wait_for_end(page)
    expect(page.locator(".dp-lead")).to_contain_text("Cancelled")


def test_the_choice_of_a_ref_works_by_keyboard_alone(site: Site, open_page: OpenPage) -> None:
    page = open_page()
    site.sign_in(page, to="/storefront/staging/deploy")
    expect(page.locator("#plan h2").first).to_be_visible()
    title, choice = (page.locator(f"fieldset.dp-when > {part}").first.bounding_box() for part in ("legend", "label"))
    assert title
    assert choice
    assert choice["y"] >= title["y"] + title["height"], "choices stand beside what they are about"
    field = page.get_by_role("combobox")
    field.focus()
    field.fill("dark")
    expect(page.get_by_role("option")).to_have_count(1)
    page.keyboard.press("ArrowDown")
    expect(page.get_by_role("option")).to_have_attribute("aria-selected", "true")
    page.keyboard.press("Enter")
    expect(field).to_have_value("feature/dark-mode")
    expect(page.get_by_role("heading", name=re.compile("stay behind"))).to_be_visible()
    field.fill("no-such-branch")
    page.keyboard.press("Escape")
    page.keyboard.press("Enter")
    expect(page.get_by_role("alert")).to_contain_text("This cannot go out")
    page.locator("[data-open]").click()
    expect(page.get_by_role("listbox")).to_be_visible()
    expect(page.locator(".htmx-request")).to_have_count(0)  # what is cut off is an error in the console


def test_who_else_is_watching_and_the_end_is_heard(site: Site, open_page: OpenPage) -> None:
    first, second = open_page(), open_page()
    site.sign_in(first)
    site.sign_in(second, "administrator")
    deploy(site, first, "storefront", "production", "main", held=True)
    address = first.url
    first.get_by_text("When it ends").click()
    first.locator("[data-horn-volume]").fill("20")
    first.get_by_role("button", name="Try it").click()
    expect(first.locator("[data-horn]")).to_have_attribute("data-tried", "yes")
    expect(first.locator("[data-horn]")).to_have_attribute("data-saved", "yes")
    second.goto(address)
    expect(first.locator("[data-watching]")).to_contain_text("and you are watching")
    second.goto(site.base)
    expect(first.locator("[data-watching]")).to_have_text("")
    let_go(first)
    first.wait_for_url(address)
    first.get_by_text("When it ends").click()
    first.locator("[data-horn-volume]").fill("15")  # the gesture without which no page may sound
    wait_for_end(first)
    expect(first.locator("[data-horn]")).to_have_attribute("data-blown", "yes")
    expect(first).to_have_title(re.compile("^✓ storefront to production"))


def test_the_horn_sounds_where_production_is_watched(site: Site, open_page: OpenPage) -> None:
    """On the pages of target and application, after a gesture of the person, without which no page may sound."""
    page, watching = open_page(), open_page()
    site.sign_in(page)
    site.sign_in(watching, "administrator", to="/storefront/")
    watching.locator("h1").click()
    deploy(site, page, "storefront", "production", "v1.1")
    wait_for_end(page)
    expect(watching.locator("[data-shipping-horn]")).to_have_attribute("data-blown", "yes")
    page.goto(f"{site.base}/storefront/production/")
    page.locator("h1").click()
    deploy(site, watching, "storefront", "production", "main")
    wait_for_end(watching)
    expect(page.locator("[data-shipping-horn]")).to_have_attribute("data-blown", "yes")


def test_a_failed_host_is_found_by_keyboard_and_retried(site: Site, open_page: OpenPage) -> None:
    page = open_page()
    site.sign_in(page)
    deploy(site, page, "storefront", "production", "fix/product-pictures")
    wait_for_end(page)
    failed = page.get_by_role("button", name=re.compile("^Failed"))
    expect(failed).to_contain_text(re.compile("[1-9]"))
    failed.press("Enter")
    expect(failed).to_have_attribute("aria-pressed", "true")
    square = page.locator("[data-host][data-failed]").first
    square.press("Enter")
    expect(square).to_have_attribute("aria-pressed", "true")
    expect(page.locator("[data-count]")).to_contain_text(f"of {square.get_attribute('data-host')}")
    page.get_by_role("button", name=re.compile("Retry failed hosts")).press("Enter")
    page.wait_for_url(re.compile(r"/deploys/\d+$"))
    wait_for_end(page)
    expect(page.get_by_text("retry of")).to_be_visible()
    deploy(site, page, "storefront", "production", "main")  # well again for who comes after
    wait_for_end(page)


def test_nothing_is_lost_while_the_web_process_is_away(site: Site, open_page: OpenPage) -> None:
    page = open_page(outage=True)
    site.sign_in(page)
    deploy(site, page, "storefront", "staging", "main")
    expect(page.locator(".dp-log-seen > li[id]")).not_to_have_count(0)
    page.evaluate("window.same = true")
    site.stop_web()
    wait_for_end(page)
    assert page.evaluate("window.same"), "The page was loaded again."
    stated = re.match(r"[\d,]+", page.locator("[data-count]").inner_text())
    assert stated
    page.locator("[data-follow]").click()
    assert numbers(page) == list(range(1, int(stated[0].replace(",", "")) + 1))
    expect(page.locator("[data-host][data-state=live]")).to_have_count(page.locator("[data-host]").count())


def test_a_page_that_was_asleep_has_all_lines_when_it_comes_back(site: Site, open_page: OpenPage) -> None:
    page = open_page(outage=True)
    site.sign_in(page)
    deploy(site, page, "pricing-api", "staging", "v1.2")
    expect(page.locator(".dp-log-seen > li[id]")).not_to_have_count(0)
    address = page.url
    page.context.set_offline(True)  # ends its sockets too, as a lid that is closed
    other = open_page()
    site.sign_in(other)
    other.goto(address)
    wait_for_end(other)
    page.context.set_offline(False)
    wait_for_end(page)
    stated = re.match(r"[\d,]+", page.locator("[data-count]").inner_text())
    assert stated
    page.locator("[data-follow]").click()
    assert numbers(page) == list(range(1, int(stated[0].replace(",", "")) + 1))


def test_a_page_that_has_ended_hears_that_it_was_resolved(site: Site, open_page: OpenPage) -> None:
    page = open_page()
    site.sign_in(page)
    number = deploy(site, page, "storefront", "production", "fix/product-pictures")
    wait_for_end(page)
    expect(page.locator("[data-connection]")).to_contain_text("Connected")
    page.evaluate("window.same = true")
    other = open_page()
    site.sign_in(other)
    other.goto(f"{site.base}/deploys/{number}")
    other.get_by_role("button", name=re.compile("Retry failed hosts")).click()
    other.wait_for_url(lambda address: not address.endswith(f"/{number}"))
    again = other.url.rsplit("/", 1)[1]
    followed = page.locator("[data-piece=outcome]").get_by_role("link")
    expect(followed).to_have_attribute("href", f"/deploys/{again}")
    assert page.evaluate("window.same"), "The page was loaded again."
    wait_for_end(other)
    other.goto(f"{site.base}/storefront/production/deploy?ref=main")  # well again for who comes after
    other.locator('input[name="when"][value="now"]').check()
    other.get_by_role("button", name=re.compile("^Deploy [0-9a-f]{7}")).click()
    other.wait_for_url(re.compile(r"/deploys/\d+$"))
    wait_for_end(other)


def test_a_thousand_hosts_are_cells_that_the_keyboard_reaches(site: Site, open_page: OpenPage) -> None:
    page = open_page()
    number = site.seed(seed_code(lines=20) + MANY_HOSTS)
    site.sign_in(page, "viewer")
    page.goto(f"{site.base}/deploys/{number}")
    expect(page.locator("use[data-host]")).to_have_count(1012)
    box = page.locator("[data-fleet]").bounding_box()
    assert box
    assert box["height"] < 700
    picture = page.locator("svg.dp-cells").first
    picture.focus()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowDown")
    active = picture.get_attribute("aria-activedescendant") or ""
    said = page.locator("[data-cell-words]").inner_text()
    assert said.startswith(active.removeprefix("host-") + ": ")
    page.keyboard.press("Enter")
    expect(page.locator(f"#{active}")).to_have_attribute("aria-selected", "true")
    expect(page).to_have_url(re.compile(f"host={active.removeprefix('host-')}"))


MANY_HOSTS = """
states = {True: "failed", False: "live"}
HostRun.objects.bulk_create(
    HostRun(deploy=deploy, host_name=f"cell-{n:04}", zone="abc"[n % 3], **facts | {"status": states[n % 50 == 0]})
    for n in range(1000)
)
print(deploy.pk)
"""
