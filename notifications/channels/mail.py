"""Announcements by mail, as plain text, by the mail server of the installation."""

import re
import smtplib
from collections.abc import Mapping

from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.mail import BadHeaderError, EmailMessage
from django.core.validators import validate_email

from notifications.asking import Field, Told
from notifications.bounded import Late, within
from notifications.channels.letters import Asked, ChannelRefused, Letter, TryAgain

SECONDS = 20.0
MOST = 20
LONGEST_SUBJECT = 150
_PERMANENT = 500
TOLD = Told(
    "mail",
    "Mail",
    "To one address or some, by the mail server of this installation.",
    (Field("to", "To", f"Up to {MOST} addresses, with commas between.", placeholder="releases@example.com"),),
)


def check(asked: Asked) -> Mapping[str, str]:
    if not settings.EMAIL_HOST:
        return {"to": "This installation sends no mail (`EMAIL` is not set)."}
    found = addresses(asked)
    if not found:
        return {"to": "Say at least one address."}
    if len(found) > MOST:
        return {"to": f"Those are more than {MOST} addresses. Take a list of your mail server."}
    for address in found:
        try:
            validate_email(address)
        except ValidationError:
            return {"to": f"{address[:80]!r} is no mail address."}
    return {}


def addresses(asked: Asked) -> list[str]:
    return [one for one in re.split(r"[\s,;]+", asked.settings.get("to", "")) if one]


def send(asked: Asked, letter: Letter) -> None:
    """Raises NotDelivered."""
    if not settings.EMAIL_HOST:
        raise ChannelRefused("This installation sends no mail (EMAIL is not set).")
    subject, link = letter.text, letter.fields.get("link", "")
    if len(subject) > LONGEST_SUBJECT:
        subject = subject[: LONGEST_SUBJECT - 1] + "…"
    # no machine answers to what says that a machine has sent it (RFC 3834)
    message = EmailMessage(
        subject, f"{letter.text}\n\n{link}".rstrip() + "\n", settings.DEFAULT_FROM_EMAIL, addresses(asked),
        headers={"Auto-Submitted": "auto-generated"},
    )  # fmt: skip
    try:
        within(SECONDS, message.send, name="mail")
    except Late:
        raise TryAgain(f"The mail server did not take it within {SECONDS:.0f} s.") from None
    except BadHeaderError:
        raise ChannelRefused("An address of it holds what no header may.") from None
    except smtplib.SMTPRecipientsRefused as error:
        _judge(max(code for code, _ in error.recipients.values()), "one of its addresses")
    except smtplib.SMTPAuthenticationError:
        raise TryAgain("The mail server does not let the Deployer in. Look at EMAIL.") from None
    except smtplib.SMTPResponseException as error:
        _judge(error.smtp_code, "the mail")
    except (smtplib.SMTPException, OSError) as error:
        raise TryAgain(f"The mail server does not answer as it should ({type(error).__name__}).") from None


def _judge(code: int, what: str) -> None:
    if code >= _PERMANENT:
        raise ChannelRefused(f"The mail server refuses {what} ({code}). Is it spelt right?")
    raise TryAgain(f"The mail server does not take {what} now ({code}).")
