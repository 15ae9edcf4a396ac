"""Links by mail, through a real mail server; what is asked by strangers; and how it goes without a server."""

import re
from collections.abc import Iterator
from email import message_from_bytes, policy
from email.message import EmailMessage
from typing import Any

import pytest
from aiosmtpd.controller import Controller
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from pytest_django import Settings

from deployer_site.network import MailServer, find_free_port, read_mail_server
from environments import access, mail, people
from environments.models import Role, User
from notifications.models import Event
from tests import builders
from tests.conftest import Wait

pytestmark = pytest.mark.django_db
PASSWORD = "a long enough sentence"


class Box:
    """What the server took; one address it refuses."""

    def __init__(self) -> None:
        self.mails: list[EmailMessage] = []

    async def handle_RCPT(self, server: Any, session: Any, envelope: Any, address: str, options: Any) -> str:
        if address.startswith("full@"):
            return "452 4.2.2 The mailbox is full"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:
        message = message_from_bytes(envelope.content, policy=policy.default)
        assert isinstance(message, EmailMessage)
        self.mails.append(message)
        return "250 OK"


@pytest.fixture(scope="module")
def server() -> Iterator[tuple[Box, int]]:
    box, port = Box(), find_free_port()
    controller = Controller(box, hostname="127.0.0.1", port=port, ready_timeout=60)
    controller.start()
    yield box, port
    controller.stop()


@pytest.fixture
def box(server: tuple[Box, int], settings: Settings) -> Box:
    found, settings.EMAIL_PORT = server
    found.mails.clear()
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    settings.EMAIL_HOST = "127.0.0.1"
    settings.BASE_URL = "https://deploy.example.com"
    return found


@pytest.fixture
def ada() -> User:
    return builders.make_user(username="ada", password=PASSWORD, role=Role.ADMINISTRATOR)


@pytest.fixture
def client(ada: User) -> Client:
    client = Client()
    client.force_login(ada)
    return client


def link_in(message: EmailMessage) -> str:
    """The same in both forms of the mail."""
    texts = [message.get_body((kind,)) for kind in ("plain", "html")]
    links = {re.search(r"https://deploy\.example\.com(/join/[^\s\"<]+)", part.get_content())[1] for part in texts}  # type: ignore[union-attr,index]
    (link,) = links
    return str(link)


class TestAdministrators:
    def test_an_invitation_goes_by_mail_and_opens_once(self, box: Box, client: Client) -> None:
        facts = {"username": "grace", "full_name": "Grace <b>Hopper", "role": "viewer", "email": "grace@example.com"}
        page = client.post(reverse("invite"), facts, follow=True).content.decode()
        assert "is mailed to grace@example.com" in page
        assert "/join/" not in page, "nobody but its reader has it"
        (message,) = box.mails
        assert message["To"] == "grace@example.com"
        assert message["From"] == "Deployer <deployer@localhost>"
        assert "Your user name is grace" in message.get_body(("plain",)).get_content()  # type: ignore[union-attr]
        html = message.get_body(("html",)).get_content()  # type: ignore[union-attr]
        assert "Grace &lt;b&gt;Hopper" in html
        link, guest = link_in(message), Client()
        assert guest.post(link, {"password": PASSWORD, "again": PASSWORD}).status_code == 302
        assert Client().get(link).status_code == 410
        kinds = list(Event.objects.filter(actor="ada").order_by("id").values_list("kind", flat=True))
        assert kinds == ["person.invited", "person.link_made", "person.link_mailed"]

    def test_without_an_address_it_is_handed_over_as_before(self, box: Box, client: Client) -> None:
        page = client.post(reverse("invite"), {"username": "grace", "role": "viewer"})
        assert "/join/" in page.context["link"]
        assert box.mails == []

    @pytest.mark.parametrize("address", ["grace", "a@b@c", "a@example.com\nBcc: b@example.com", "a" * 250 + "@b.org"])
    def test_what_is_no_address_is_refused(self, address: str, box: Box, client: Client) -> None:
        facts = {"username": "grace", "role": "viewer", "email": address}
        assert "mail address" in client.post(reverse("invite"), facts, follow=True).content.decode()
        assert not User.objects.filter(username="grace").exists()
        assert box.mails == []

    def test_what_the_server_says_is_told(self, box: Box, client: Client) -> None:
        builders.make_user(username="ben", email="full@example.com")
        page = client.post(reverse("mail-link", args=["ben"]), follow=True).content.decode()
        assert "The mailbox is full" in page

    def test_a_server_that_is_not_there_is_told(self, box: Box, client: Client, settings: Settings) -> None:
        settings.EMAIL_PORT = find_free_port()
        builders.make_user(username="ben", email="ben@example.com")
        page = client.post(reverse("mail-link", args=["ben"]), follow=True).content.decode()
        assert "did not take the mail to ben@example.com" in page

    def test_a_persons_address_is_theirs_to_change_alone(self, box: Box, ada: User, client: Client) -> None:
        ben = builders.make_user(username="ben")
        with pytest.raises(mail.NotSent, match="Nobody has written down"):
            mail.mail_link(ben, by=ada)
        page = client.post(reverse("set-email", args=["ben"]), {"email": "ben@example.com"}, follow=True)
        assert "Mail a link to a new password" in page.content.decode()
        client.post(reverse("mail-link", args=["ben"]))
        assert [message["To"] for message in box.mails] == ["ben@example.com"]
        for act in (lambda: people.set_email(ada, "x@example.com", by=ben), lambda: mail.mail_link(ada, by=ben)):
            with pytest.raises(access.NotAllowed):
                act()  # type: ignore[no-untyped-call]

    def test_without_a_server_nothing_is_offered(self, client: Client, settings: Settings, ada: User) -> None:
        settings.EMAIL_HOST = ""
        ben = builders.make_user(username="ben", email="ben@example.com")
        page = client.get(reverse("settings-person", args=["ben"])).content.decode()
        assert "sends no mail yet" in page
        with pytest.raises(mail.NotSent, match="EMAIL is not set"):
            mail.mail_link(ben, by=ada)
        assert "sends no mail" in Client().get(reverse("forgotten")).content.decode()


class TestForgotten:
    def test_who_asks_gets_a_link_and_learns_nothing(self, box: Box, eventually: Wait) -> None:
        builders.make_user(username="ben", email="ben@example.com", password=PASSWORD)
        builders.make_user(username="off", email="off@example.com", password=PASSWORD, is_active=False)
        builders.make_user(username="without", password=PASSWORD)
        answers, costs = set(), set()
        for name in ("ben", "off", "without", "nobody"):
            with CaptureQueriesContext(connection) as asked:
                answer = Client(HTTP_HOST="localhost").post(reverse("forgotten"), {"username": name})
            answers.add((answer.status_code, re.sub(r'value="\w{64}"|data-now="[^"]*"', "", answer.content.decode())))
            costs.add(tuple(query["sql"].split(" ")[0] for query in asked))
        assert len(answers) == len(costs) == 1
        eventually(lambda: box.mails)
        (message,) = box.mails
        assert message["Subject"] == "A new password at the Deployer"
        assert message["To"] == "ben@example.com"
        new = "another long sentence"
        assert Client().post(link_in(message), {"password": new, "again": new}).status_code == 302
        assert User.objects.get(username="ben").check_password(new)

    def test_it_is_asked_ten_times_and_no_more(self, box: Box) -> None:
        for _ in range(10):
            assert Client().post(reverse("forgotten"), {"username": "nobody"}).status_code == 200
        answer = Client().post(reverse("forgotten"), {"username": "nobody"})
        assert answer.status_code == 429
        assert 'data-as="at"' in answer.content.decode()


class TestSetting:
    @pytest.mark.parametrize(
        ("url", "server"),
        [
            ("", MailServer()),
            ("smtp://mail.example.com", MailServer("mail.example.com", 25)),
            ("smtps://a:b%40c@mail.example.com", MailServer("mail.example.com", 465, "a", "b@c", tls=True)),
            ("smtp+starttls://m:2525", MailServer("m", 2525, starttls=True)),
        ],
    )
    def test_it_is_read(self, url: str, server: MailServer) -> None:
        assert read_mail_server("EMAIL", url) == server

    @pytest.mark.parametrize(
        "url", ["mail.example.com", "http://m", "smtp://", "smtp://m:0", "smtp://m:x", "smtp://m/x"]
    )
    def test_anything_else_stops_the_start(self, url: str) -> None:
        with pytest.raises(SystemExit):
            read_mail_server("EMAIL", url)
