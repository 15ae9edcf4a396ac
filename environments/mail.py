"""Links by mail, where `EMAIL` says how mail is sent; elsewhere an administrator hands them over.

Errors:

    NotSent    nothing was mailed: there is no way or no address, or the mail server refused
"""

import logging
import smtplib
import threading

from django.conf import settings
from django.core.mail import EmailMultiAlternatives
from django.db import transaction
from django.http import HttpRequest
from django.template.loader import render_to_string
from django.urls import reverse

from environments import access, people, tries
from environments.models import User
from environments.providers import passwords
from notifications import events

log = logging.getLogger(__name__)


class NotSent(Exception):
    """`str()` is the sentence for every door."""


def is_on() -> bool:
    """Whether this installation sends mail."""
    return bool(settings.EMAIL_HOST)


def mail_link(person: User, *, by: User) -> None:
    """A link by which `person` chooses a password, once. Raises NotAllowed, LinkSpent, NotSent."""
    access.require(by, access.ADMINISTER)
    if not is_on():
        raise NotSent("This installation sends no mail (EMAIL is not set). Hand the link over instead.")
    if not person.email:
        raise NotSent(f"Nobody has written down a mail address of {person.username}. Hand the link over instead.")
    with transaction.atomic():
        message = _compose(person, people.link_of(person, by=by))
        events.record("person.link_mailed", by.username, user=person.username)
    try:
        message.send()
    except (smtplib.SMTPException, OSError) as error:
        log.warning("Mail to %s was not sent: %s", person.username, error)
        raise NotSent(
            f"The mail server did not take the mail to {person.email}: {_reason(error)}. Look at EMAIL, or hand a new "
            "link over instead."
        ) from error


def ask_for_link(request: HttpRequest, name: str) -> None:
    """Mail a link to whoever is called so, has an address and may come in; who asks does not learn whether.

    The mail is written and sent after the answer, so that its time tells nothing either. Raises TooManyTries.
    """
    tries.count_asking(request, name)
    person = User.objects.filter(username=name).first()
    events.record("person.link_asked", whose=f" for {person.username}" if person else "")
    for_all = passwords.are_for_all()  # asked whoever is meant
    if person is None or not (for_all or passwords.may_always(person)):
        return
    if person.is_active and person.email and is_on():
        threading.Thread(target=_send_quietly, args=(person,), name="mail", daemon=True).start()


def _send_quietly(person: User) -> None:
    try:
        _compose(person, people.words_of(person)).send()
    except (smtplib.SMTPException, OSError) as error:
        log.warning("Mail to %s was not sent: %s", person.username, error)


def _compose(person: User, words: tuple[str, str]) -> EmailMultiAlternatives:
    """The address is the installation's own: what a browser says about the host it asked is not believed."""
    link = settings.BASE_URL + reverse("join", args=words)
    facts = {"person": person, "link": link, "base": settings.BASE_URL, "new": not person.has_usable_password()}
    subject = "Your account at the Deployer" if facts["new"] else "A new password at the Deployer"
    message = EmailMultiAlternatives(
        subject, render_to_string("environments/mail/link.txt", facts), settings.DEFAULT_FROM_EMAIL, [person.email]
    )
    message.attach_alternative(render_to_string("environments/mail/link.html", facts), "text/html")
    return message


def _reason(error: Exception) -> str:
    if isinstance(error, smtplib.SMTPRecipientsRefused):
        return "; ".join(text.decode(errors="replace") for _, text in error.recipients.values())
    if isinstance(error, smtplib.SMTPResponseException):
        text = error.smtp_error
        return text.decode(errors="replace") if isinstance(text, bytes) else str(text)
    return str(error) or error.__class__.__name__
