"""Whoever locks until after somebody else's reservation has begun is told so by every door, and proposed an end."""

from datetime import datetime, timedelta

import pytest
from django.utils import timezone

from deployments.page_queries.locks import BEFORE, read_card
from environments import granting, locks, teams
from environments.locks import Scope
from environments.models import Lock, Role, Target, User
from tests.builders import make_target, make_user
from tests.deployments.api_client import api_of
from tests.deployments.shop_pages import sign_in, text_of

pytestmark = [pytest.mark.django_db, pytest.mark.both_databases]
HOUR = timedelta(hours=1)


@pytest.fixture
def target() -> Target:
    return make_target()


@pytest.fixture
def ada() -> User:
    return make_user(username="ada", first_name="Ada", last_name="Marsh")


@pytest.fixture
def ben() -> User:
    return make_user(username="ben", first_name="Ben", last_name="Sato")


def book(scope: Scope, by: User, hours: float, **more: object) -> datetime:
    starts = (timezone.now() + hours * HOUR).replace(microsecond=0)
    locks.book(scope, by=by, starts=starts, ends=starts + HOUR, reason="rehearsal", **more)  # type: ignore[arg-type]
    return starts


def take(scope: Scope, by: User, hours: float | None) -> Lock:
    until = timezone.now() + hours * HOUR if hours is not None else None
    return locks.acquire(scope, by=by, reason="mine", until=until)


def test_a_lock_that_reaches_into_a_reservation_of_others_is_told(target: Target, ada: User, ben: User) -> None:
    """In its own scope, a wider or a narrower one; not one that lies after its end, is one's own or one's team's."""
    own, wide = locks.of_target(target), locks.of_environment(target.environment)
    team = teams.make("payments", by=None)
    for person in (ada, ben):
        teams.add_member(team, person, by=None)
    book(own, ada, 1.5)
    book(own, ben, 2.6, team=team)
    lock = take(own, ada, 4)
    assert locks.reaches_into(lock, viewer=ada) is None
    locks.release(lock, by=ada)
    book(own, ben, 4)
    assert locks.reaches_into(take(own, ada, 3.5), viewer=ada) is None
    row = locks.reaches_into(take(wide, ada, 4.5), viewer=ada)
    assert row is not None
    assert locks.tell_ahead(row).startswith(f"It reaches into a reservation: Ben Sato has {target.slug} from ")
    narrow = make_target(environment=target.environment)
    locks.release(Lock.objects.get(scope=wide.text, released_at=None), by=ada)
    beside = take(locks.of_target(narrow), ada, 6)
    assert locks.reaches_into(beside, viewer=ada) is None
    book(wide, ben, 6.5)
    assert locks.reaches_into(beside, viewer=ada) is None
    row = locks.reaches_into(locks.extend(beside, by=ada, until=timezone.now() + 7 * HOUR), viewer=ada)
    assert (row.scope if row else "") == wide.text


def test_the_page_proposes_an_end_before_it_and_warns_who_wants_longer(target: Target, ada: User, ben: User) -> None:
    scope = locks.of_target(target)
    card = read_card(scope, ada)
    assert (card.ahead, card.preset, card.presets[0][0]) == (None, "2h", "1h")
    starts = book(scope, ben, 1)
    assert read_card(scope, ben).ahead is None
    card = read_card(scope, ada)
    assert (card.preset, card.presets[0]) == (BEFORE, (BEFORE, "until it is reserved for Ben Sato"))
    client, page = sign_in(ada), f"/{target.slug}/"
    assert "Ben Sato has reserved" in text_of(client.get(page).content)
    asked = {"scope": target.slug, "reason": "demo", "zone": "UTC"}
    told = text_of(client.post("/locks/take", asked | {"for": BEFORE}, follow=True).content)
    assert "It reaches into a reservation" not in told
    lock = Lock.objects.get(released_at=None)
    assert lock.until == starts
    told = text_of(client.post(f"/locks/{lock.pk}/extend", {"for": "4h", "zone": "UTC"}, follow=True).content)
    assert "It reaches into a reservation: Ben Sato has" in told
    locks.release(Lock.objects.get(released_at=None), by=ada)
    locks.cancel(locks.reservations().get(), by=ben)
    told = text_of(client.post("/locks/take", asked | {"for": BEFORE}, follow=True).content)
    assert "is not reserved any more. Choose how long." in told
    assert not Lock.objects.filter(released_at=None).exists()


def test_the_api_answers_with_the_reservation(target: Target, ada: User, ben: User) -> None:
    book(locks.of_target(target), ben, 1)
    door = api_of(user=ada)
    until = (timezone.now() + 2 * HOUR).isoformat()
    made = door.post("locks", {"scope": target.slug, "reason": "demo", "until": until}).json()
    assert (made["reaches_into"]["holder"], made["reaches_into"]["reason"]) == ("ben", "rehearsal")
    short = (timezone.now() + HOUR / 2).isoformat()
    door.delete(f"locks/{made['id']}")
    assert door.post("locks", {"scope": target.slug, "reason": "x", "until": short}).json()["reaches_into"] is None


def test_who_may_not_see_a_reservation_does_not_hear_of_it_by_a_lock(target: Target, ada: User, ben: User) -> None:
    book(locks.of_target(target), ben, 1)
    lock = take(locks.of_environment(target.environment), ada, 2)
    guest, beside = make_user(role=Role.GUEST), make_target(environment=target.environment)
    granting.give(guest, Role.VIEWER, application=beside.application, by=None)
    for person, sees in ((ada, True), (guest, False)):
        told = api_of(user=person).get(f"locks/{lock.pk}").json()
        assert bool(told["reaches_into"]) == sees
