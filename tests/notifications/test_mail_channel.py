"""Announcements by mail, through a real mail server."""

from collections.abc import Iterator
from email import message_from_bytes, policy
from email.message import EmailMessage
from typing import Any

import pytest
from aiosmtpd.controller import Controller
from pytest_django import Settings

from notifications import sending
from notifications.channels import mail
from notifications.channels.letters import Asked
from notifications.models import Delivery
from tests.notifications.channel_builders import happen, make_channel
from tests.ports import closed_port, free_port

pytestmark = pytest.mark.django_db


class Box:
    def __init__(self) -> None:
        self.mails: list[EmailMessage] = []
        self.refuses = ""

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:
        if self.refuses:
            return self.refuses
        message = message_from_bytes(envelope.content, policy=policy.default)
        assert isinstance(message, EmailMessage)
        self.mails.append(message)
        return "250 OK"


@pytest.fixture(scope="module")
def server() -> Iterator[tuple[Box, int]]:
    box, port = Box(), free_port()
    controller = Controller(box, hostname="127.0.0.1", port=port, ready_timeout=60)
    controller.start()
    yield box, port
    controller.stop()


@pytest.fixture
def box(server: tuple[Box, int], settings: Settings) -> Box:
    found, settings.EMAIL_PORT = server
    found.mails.clear()
    found.refuses = ""
    settings.EMAIL_BACKEND, settings.EMAIL_HOST = "django.core.mail.backends.smtp.EmailBackend", "127.0.0.1"
    settings.EMAIL_USE_TLS = settings.EMAIL_USE_SSL = False
    return found


def sent(to: str = "releases@example.com, on-call@example.com", **facts: Any) -> Delivery:
    channel = make_channel(kind="mail", settings={"to": to}, secret="")
    happen(**facts)
    sending.send_waiting(channel.pk)
    return Delivery.objects.get()


def test_it_arrives(box: Box) -> None:
    assert sent().state == "sent"
    (mail_,) = box.mails
    text = "mobile-api/intlrelease (6957bb87) is being deployed to staging by Ada Marsh"
    assert mail_["Subject"] == text
    assert mail_["To"] == "releases@example.com, on-call@example.com"
    assert mail_["Auto-Submitted"] == "auto-generated"
    assert mail_.get_content().splitlines()[0] == text
    assert "/deploys/7" in mail_.get_content()


def test_nothing_becomes_a_header(box: Box) -> None:
    assert sent(ref="x\r\nBcc: everyone@example.com\r\n\r\n<b>body</b>").state == "sent"
    (mail_,) = box.mails
    assert mail_["Bcc"] is None
    assert mail_["Subject"].startswith("mobile-api/x Bcc: everyone@example.com <b>body</b>")
    assert mail_.get_content_type() == "text/plain"


@pytest.mark.parametrize(
    ("refuses", "state", "stopped"), [("451 later", "waiting", False), ("554 no", "refused", True)]
)
def test_what_the_server_says_counts(refuses: str, state: str, stopped: bool, box: Box) -> None:
    box.refuses = refuses
    row = sent()
    assert (row.state, row.channel.stopped) == (state, stopped)


def test_where_nobody_listens_it_is_tried_again(box: Box, settings: Settings) -> None:
    settings.EMAIL_PORT = closed_port()
    assert sent().state == "waiting"


@pytest.mark.parametrize("to", ["", "nobody", "a@b.example\r\nBcc:", ",".join(f"p{n}@b.example" for n in range(21))])
def test_what_cannot_be(to: str, box: Box) -> None:
    assert list(mail.check(Asked({"to": to}))) == ["to"]


def test_without_a_mail_server_there_is_none(settings: Settings) -> None:
    settings.EMAIL_HOST = ""
    assert "EMAIL" in mail.check(Asked({"to": "ada@example.com"}))["to"]
    assert sent().error == "This installation sends no mail (EMAIL is not set)."
