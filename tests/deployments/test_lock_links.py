"""Links in messages about locks: one click, without signing in, for whom it was made, once, while the lock lasts."""

import re
from datetime import timedelta

import pytest
from django.core import signing
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from environments import locks, tokens
from environments.locks import links
from environments.models import Lock, LockQuestion, Role, SpentLink, Target, Team, User
from notifications.models import Event, Message
from tests.builders import make_application, make_deploy, make_environment, make_lock, make_target, make_user
from tests.deployments.api_client import API, api_of
from tests.deployments.shop_pages import sign_in, text_of
from tests.environments.locks.test_holding import let_time_pass

pytestmark = pytest.mark.django_db
HOUR = timedelta(hours=1)


@pytest.fixture
def target() -> Target:
    return make_target(application=make_application(name="shop"), environment=make_environment(name="staging"))


@pytest.fixture
def ada() -> User:
    return make_user(username="ada", first_name="Ada", last_name="Marsh")


@pytest.fixture
def ben() -> User:
    return make_user(username="ben", first_name="Ben", last_name="Sato")


@pytest.fixture
def lock(target: Target, ada: User) -> Lock:
    """Held by Ada, who has been reminded of its end."""
    made = make_lock(target=target, by=ada)
    let_time_pass(minutes=50)
    locks.expire_due()
    return Lock.objects.get(pk=made.pk)


def told(person: User) -> list[dict[str, str]]:
    """The links of each message, the newest first, as a program reads them."""
    items = api_of(user=person).get("messages").json()["items"]
    return [{act: re.sub(r"^https?://[^/]+", "", url) for act, url in item["links"].items()} for item in items]


def press(address: str, **more: str) -> tuple[int, str]:
    """As somebody who is not signed in, and from whom a form needs its token, as from a browser."""
    client = Client(enforce_csrf_checks=True)
    page = client.get(address)
    if page.status_code != 200:
        return page.status_code, text_of(page.content)
    field = re.search(r'name="csrfmiddlewaretoken" value="([^"]+)"', page.content.decode())
    assert field
    answered = client.post(address, {"csrfmiddlewaretoken": field[1]} | more)
    return answered.status_code, text_of(answered.content)


def test_a_look_changes_nothing_and_one_click_extends(lock: Lock) -> None:
    assert lock.holder
    (addresses,) = told(lock.holder)
    assert set(addresses) == {"extend", "release"}
    page = Client().get(addresses["extend"])
    assert page.headers["Cache-Control"] == "no-store"
    assert "Keep shop/staging for 2 hours more?" in text_of(page.content)
    assert "This is done as Ada Marsh" in text_of(page.content)
    assert not SpentLink.objects.exists()
    status, text = press(addresses["extend"])
    assert (status, "is yours for longer" in text) == (200, True)
    now = Lock.objects.get(pk=lock.pk)
    assert now.until
    assert lock.until
    assert now.until - lock.until == 2 * HOUR
    assert Event.objects.get(kind="lock.extended").actor == "ada"


def test_one_click_releases_and_says_what_becomes_of_what_it_held(lock: Lock) -> None:
    assert lock.holder
    held = make_deploy(target=lock.target, status="waiting", automatic=True, met_lock=lock)
    (addresses,) = told(lock.holder)
    assert "1 deploy met this lock" in text_of(Client().get(addresses["release"]).content)
    assert press(addresses["release"], held="drop")[0] == 200
    held.refresh_from_db()
    assert (held.status, Lock.objects.get(pk=lock.pk).how) == ("cancelled", "released")


@pytest.mark.parametrize("act", ["release", "extend", "no"])
def test_a_question_is_answered_by_one_click(act: str, target: Target, ada: User, ben: User) -> None:
    lock = make_lock(target=target, by=ada)
    locks.ask(lock, by=ben, text="may I?")
    (addresses,) = told(ada)
    assert set(addresses) == {"release", "extend", "no"}
    asked = text_of(Client().get(addresses[act]).content)
    assert re.search(r"Ben Sato asks: “ ?may I\? ?”", asked)
    assert press(addresses[act])[0] == 200
    assert LockQuestion.objects.get().answer == act
    for other in set(addresses) - {act}:
        status, text = press(addresses[other])
        assert status == 410
        assert "ended" in text or "answered already" in text
    assert [Event.objects.get(pk=row.event_id).kind for row in Message.objects.filter(to="ben")] == ["lock.answered"]
    assert all(not links for links in told(ada))


@pytest.mark.parametrize("part", [0, 1, 2, "act", "person", "salt", "empty", "long"])
def test_what_was_altered_opens_nothing(part: int | str, lock: Lock, ben: User) -> None:
    assert lock.holder
    address = told(lock.holder)[0]["release"]
    token = address.rpartition("/")[2]
    event, person, _ = signing.loads(token, salt=links.SALT)
    pieces = token.split(":")
    if isinstance(part, int):
        pieces[part] = pieces[part][:-1] + ("A" if pieces[part][-1] != "A" else "B")
        token = ":".join(pieces)
    elif part == "act":
        token = ":".join([signing.b64_encode(f'[{event},{person},"extend"]'.encode()).decode(), *pieces[1:]])
    else:
        by_us = {"person": ([event, ben.pk, "release"], links.SALT), "salt": ([event, person, "release"], "another")}
        value, salt = by_us.get(part, (None, ""))
        token = signing.dumps(value, salt=salt) if value else {"empty": "x", "long": "x" * 5000}[part]
    status, text = press(reverse("lock-link", args=[token]))
    assert (status, "This link opens nothing" in text) == (410, True)
    assert Client().post(reverse("lock-link", args=[token])).status_code == 410
    assert locks.held().filter(pk=lock.pk).exists()


def test_it_works_once(lock: Lock) -> None:
    assert lock.holder
    (addresses,) = told(lock.holder)
    assert press(addresses["extend"])[0] == 200
    until = Lock.objects.get(pk=lock.pk).until
    status, text = press(addresses["extend"])
    assert (status, "used already" in text) == (410, True)
    assert Client().post(addresses["extend"]).status_code == 410
    again = told(lock.holder)[0]["extend"]  # signed anew, but of the same message
    assert press(again)[0] == 410
    assert Lock.objects.get(pk=lock.pk).until == until


def test_two_who_use_it_at_once_are_one(lock: Lock) -> None:
    """Both have read the page; the constraint decides, and what the second would have done is undone."""
    assert lock.holder
    token = told(lock.holder)[0]["extend"].rpartition("/")[2]
    first, second = locks.read_link(token), locks.read_link(token)
    locks.spend(first)
    with pytest.raises(locks.LinkUnusable, match="once"):
        locks.spend(second)


def test_one_whose_verb_refuses_is_not_spent(lock: Lock) -> None:
    assert lock.holder
    (addresses,) = told(lock.holder)
    User.objects.filter(pk=lock.holder.pk).update(role=Role.GUEST)
    assert press(addresses["extend"])[0] == 409
    assert not SpentLink.objects.exists()
    assert Lock.objects.get(pk=lock.pk).until == lock.until


@pytest.mark.parametrize("end", ["released", "expired", "taken"])
def test_of_a_lock_that_has_ended_it_opens_nothing(end: str, lock: Lock) -> None:
    assert lock.holder
    (addresses,) = told(lock.holder)
    if end == "released":
        locks.release(lock, by=lock.holder)
    elif end == "taken":
        locks.take(lock, by=make_user(role="maintainer"), reason="now", until=timezone.now() + HOUR)
    else:
        let_time_pass(hours=1)
    for address in addresses.values():
        status, text = press(address)
        assert (status, "has ended" in text) == (410, True)
    assert not any(told(lock.holder)[-1].values())


def test_who_left_the_company_or_the_team_can_do_nothing_with_it(target: Target, ada: User, ben: User) -> None:
    team = Team.objects.create(name="payments")
    team.members.set([ada, ben])
    lock = make_lock(target=target, by=ada, team=team)
    let_time_pass(minutes=50)
    locks.expire_due()
    addresses = {person: told(person)[0]["release"] for person in (ada, ben)}
    team.members.remove(ben)
    status, text = press(addresses[ben])
    assert (status, "Only its holder" in text) == (409, True)
    User.objects.filter(pk=ada.pk).update(is_active=False)
    assert press(addresses[ada])[0] == 410
    assert locks.held().filter(pk=lock.pk).exists()


def test_it_is_too_old_after_a_day(lock: Lock, monkeypatch: pytest.MonkeyPatch) -> None:
    assert lock.holder
    (addresses,) = told(lock.holder)
    Lock.objects.filter(pk=lock.pk).update(until=timezone.now() + 99 * HOUR)
    Event.objects.filter(kind="lock.reminded").update(at=timezone.now() - 25 * HOUR)
    assert press(addresses["release"])[0] == 410
    Event.objects.update(at=timezone.now())
    monkeypatch.setattr(links, "LIFE", timedelta(seconds=-1))
    assert press(addresses["release"])[0] == 410


def test_a_form_of_another_site_does_nothing(lock: Lock) -> None:
    assert lock.holder
    client = Client(enforce_csrf_checks=True)
    assert client.post(told(lock.holder)[0]["release"]).status_code == 403
    assert locks.held().filter(pk=lock.pk).exists()


def test_a_token_that_may_not_lock_and_another_person_are_told_no_links(lock: Lock, ben: User) -> None:
    assert lock.holder
    items = API(tokens.create(user=lock.holder, scope="read")).get("messages").json()["items"]
    assert [(item["kind"], item["links"]) for item in items] == [("lock.reminded", {})]
    assert told(ben) == []
    page = sign_in(lock.holder).get("/locks").content.decode()
    assert "Keep it for 2 h more" in page
    assert "/locks/links/" not in sign_in(ben).get("/locks").content.decode()
    trail = sign_in(make_user(role="administrator")).get("/activity").content.decode()
    assert "/locks/links/" not in trail
    assert not Event.objects.filter(facts__icontains="locks/links").exists()
