"""Reservations from a spreadsheet, and into a calendar program."""

import re
from datetime import UTC, datetime, timedelta

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from hypothesis import given
from hypothesis import strategies as st

from deployments.calendar_text import escape, fold, write_calendar
from environments import granting, locks
from environments.models import Reservation, Role, Target, Team, User
from notifications.models import Event
from tests.builders import make_application, make_environment, make_target, make_user
from tests.deployments.shop_pages import sign_in, text_of

NASTY = "café; \\n is no line, \N{PARTY POPPER} " * 6
DAY = (timezone.now() + timedelta(days=3)).date()


@pytest.fixture
def target() -> Target:
    return make_target(application=make_application(name="shop"), environment=make_environment(name="staging"))


@pytest.fixture
def ada() -> User:
    return make_user(username="ada", first_name="Ada", last_name="Marsh")


def read_calendar(text: str) -> list[dict[str, str]]:
    """The events of a calendar, read as RFC 5545 says: unfolded, split at the first colon, values unescaped."""
    assert text.endswith("\r\n")
    assert "\n" not in text.replace("\r\n", "")
    assert all(len(line.encode()) <= 75 for line in text.split("\r\n"))
    lines = re.sub(r"\r\n[ \t]", "", text).rstrip("\r\n").split("\r\n")
    assert (lines[0], lines[1], lines[-1]) == ("BEGIN:VCALENDAR", "VERSION:2.0", "END:VCALENDAR")
    found: list[dict[str, str]] = []
    for line in lines:
        name, _, value = line.partition(":")
        if line == "BEGIN:VEVENT":
            found.append({})
        elif found and name not in ("BEGIN", "END"):
            assert name not in found[-1]
            found[-1][name] = re.sub(r"\\([nN\\;,])", lambda it: "\n" if it[1] in "nN" else it[1], value)
    return found


@given(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\r"), max_size=200))
def test_whatever_is_written_is_read_again(reason: str) -> None:
    row = Reservation(pk=1, scope="*", holder_name=reason, reason=reason, starts=timezone.now(), ends=timezone.now())
    (event,) = read_calendar(write_calendar([row], name="x", now=timezone.now(), base="https://deployer.example"))
    kept = "".join(one for one in reason if one in "\t\n" or (one >= " " and one != "\x7f"))
    assert event["DESCRIPTION"] == kept
    assert event["SUMMARY"] == f"everything: {kept}"


def test_no_character_is_cut_in_two() -> None:
    for line in ("x" * 75, "x" * 76, "\N{PARTY POPPER}" * 60, "é" * 200):
        assert re.sub(r"\r\n ", "", fold(line)) == line
        assert max(len(piece.encode()) for piece in fold(line).split("\r\n")) <= 75
    assert escape("a;b,c\\d\ne\x07") == r"a\;b\,c\\d\ne"


def book(target: Target, by: User, hour: int = 9, **more: object) -> Reservation:
    starts = datetime(DAY.year, DAY.month, DAY.day, hour, tzinfo=UTC)
    facts = {"by": by, "reason": "acceptance", "starts": starts, "ends": starts + timedelta(hours=1)} | more
    return locks.book(locks.of_target(target), **facts)[0]  # type: ignore[arg-type]


def make_address(client: Client) -> str:
    page = client.post(reverse("calendar-address"), {"act": "make"})
    assert page.headers["Cache-Control"] == "no-store"
    (found,) = set(re.findall(r"https?://[^<]+(/locks/calendar/[\w-]+\.ics)", page.content.decode()))
    return str(found)


@pytest.mark.django_db
def test_a_program_reads_the_calendar_by_its_secret_address(target: Target, ada: User) -> None:
    ben, team = make_user(), Team.objects.create(name="payments")
    team.members.set([ada])
    first = book(target, ada, reason=NASTY[:300].strip())
    book(target, ada, 11, team=team)
    book(target, ben, 13)
    locks.cancel(book(target, ada, 15), by=ada)
    address = make_address(sign_in(ada))
    answer = Client().get(address)
    assert answer.headers["Content-Type"] == "text/calendar; charset=utf-8"
    events = read_calendar(answer.content.decode())
    assert len(events) == 3
    assert len({event["UID"] for event in events}) == 3
    assert events[0]["DTSTART"] == f"{first.starts:%Y%m%dT%H%M%SZ}"
    assert events[0]["DTEND"] == f"{first.ends:%Y%m%dT%H%M%SZ}"
    assert (events[0]["SUMMARY"], events[0]["DESCRIPTION"]) == ("shop/staging: Ada Marsh", first.reason)
    assert len(read_calendar(Client().get(address, {"mine": "yes"}).content.decode())) == 2
    assert read_calendar(Client().get(address, {"environment": "dev"}).content.decode()) == []


@pytest.mark.django_db
def test_the_address_opens_what_its_person_may_view_and_only_as_long(target: Target, ada: User) -> None:
    guest = make_user(role=Role.GUEST)
    hidden = make_target(application=make_application(name="hidden"), environment=target.environment)
    granting.give(guest, Role.DEPLOYER, application=target.application, environment=target.environment, by=None)
    book(target, ada)
    book(hidden, ada)
    client = sign_in(guest)
    old, new = make_address(client), make_address(client)
    assert Client().get(old).status_code == 404
    assert [event["SUMMARY"] for event in read_calendar(Client().get(new).content.decode())] == [
        "shop/staging: Ada Marsh"
    ]
    secret = new.rpartition("/")[2].removesuffix(".ics")
    assert secret not in str(list(User.objects.values()) + list(Event.objects.values()))
    assert secret not in client.get("/locks/reservations").content.decode()
    for wrong in (secret[:-1], secret + "x", "x" * 500, "spent"):
        assert Client().get(reverse("calendar-feed", args=[wrong])).status_code == 404
    User.objects.filter(pk=guest.pk).update(is_active=False)
    assert Client().get(new).status_code == 404
    User.objects.filter(pk=guest.pk).update(is_active=True)
    sign_in(guest).post(reverse("calendar-address"), {"act": "remove"})
    assert Client().get(new).status_code == 404
    told = Event.objects.filter(kind__startswith="calendar.").order_by("pk")
    kinds = ["calendar.address_made", "calendar.address_made", "calendar.address_removed"]
    assert list(told.values_list("kind", flat=True)) == kinds


def sheet(*lines: str, head: str = "scope,from,to,who,reason") -> str:
    return "\n".join([head, *lines])


def bring(client: Client, text: str, **more: str) -> tuple[int, str]:
    answer = client.post(reverse("import-reservations"), {"sheet": text, "zone": "Europe/Berlin"} | more)
    return answer.status_code, text_of(answer.content)


@pytest.mark.django_db
def test_a_sheet_is_looked_at_line_by_line_and_booked_whole_or_not(target: Target, ada: User) -> None:
    good = [f"shop/staging,{DAY} 09:00,{DAY} 10:00,,smoke tests", f"staging,{DAY} 12:00,{DAY}T13:00,ada,move"]
    bad = [
        f"nowhere,{DAY} 09:00,{DAY} 10:00,,x",
        f"shop/staging,{DAY} 09:30,{DAY} 09:45,,in between",
        f"shop/staging,{DAY},{DAY} 10:00,,x",
        f"shop/staging,{DAY} 15:00,{DAY} 14:00,,x",
        f"shop/staging,{DAY} 15:00,{DAY} 16:00,nobody,x",
        f"shop/staging,{DAY} 15:00,{DAY} 16:00,,",
        "shop/staging,2001-01-01 09:00,2001-01-01 10:00,,x",
    ]
    client = sign_in(ada)
    for really in ("", "yes"):
        status, text = bring(client, sheet(*good, *bad), really=really)
        assert (status, "7 of 9 lines cannot be booked" in text) == (422, True)
        assert text.count("is booked") == 2 + 1  # and "nothing is booked yet"
        for why in ("nothing called 'nowhere'", "reserved by Ada Marsh", "no date and time", "ends after it starts",
                    "Nobody and no team is called 'nobody'", "others will read it", "that time is over"):  # fmt: skip
            assert why in text.replace("&#x27;", "'")
        assert not Reservation.objects.exists()
        assert not Event.objects.filter(kind="reservation.booked").exists()
    status, text = bring(client, sheet(*good))
    assert (status, "2 lines, all can be booked" in text) == (200, True)
    assert not Reservation.objects.exists()
    assert bring(client, sheet(*good), really="yes")[0] == 302
    berlin = locks.find_zone("Europe/Berlin")
    assert [(row.scope, row.starts.astimezone(berlin).hour, row.reason) for row in Reservation.objects.all()] == [
        *(("shop/staging", 9, "smoke tests"), ("staging", 12, "move")),
    ]


@pytest.mark.django_db
def test_who_is_a_user_name_a_full_name_or_a_team(target: Target, ada: User) -> None:
    boss, team = make_user(username="boss", role="maintainer"), Team.objects.create(name="payments")
    team.members.set([ada])
    lines = [f"shop/staging;{DAY} {hour}:00;{DAY} {hour}:30;{who};x" for hour, who in enumerate(
        ("ADA", "Ada Marsh", "payments", ""), 10)]  # fmt: skip
    text = "\ufeff" + sheet(*lines, "", head="Scope;From;To;Who;Reason").replace("\n", "\r\n")
    assert bring(sign_in(make_user()), text)[1].count("take over locks") >= 3
    file = SimpleUploadedFile("sheet.csv", text.encode())
    client = sign_in(boss)
    seen = client.post(reverse("import-reservations"), {"file": file, "zone": "UTC"})
    assert "4 lines, all can be booked" in text_of(seen.content)
    assert bring(client, text, really="yes")[0] == 302
    assert [row.holder_name for row in Reservation.objects.all()] == [
        *("Ada Marsh", "Ada Marsh", "Ada Marsh for the team payments", "boss"),
    ]


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "names the columns"),
        ("scope,from,to,who", "lacks reason"),
        ("scope,scope,from,to,reason\nx", "each once"),
        (sheet(), "no line but the first"),
        (sheet(*["x"] * 201), "at most 200"),
        ('scope,from,to,who,reason\n"x"y,1', "is no CSV"),
        (sheet("x" * 100_001), "too long"),
    ],
)
def test_what_is_no_sheet_is_refused(text: str, why: str, target: Target, ada: User) -> None:
    status, said = bring(sign_in(ada), text)
    assert (status, why in said) == (422, True), said
    assert not Reservation.objects.exists()


@pytest.mark.django_db
def test_a_file_that_is_no_text_is_refused(ada: User) -> None:
    file = SimpleUploadedFile("sheet.csv", b"scope,from\xff\xfe")
    said = sign_in(ada).post(reverse("import-reservations"), {"file": file})
    assert (said.status_code, "no text in UTF-8" in text_of(said.content)) == (422, True)
