"""What people should know of a host: one note, with who wrote it and when."""

from django.db import transaction
from django.utils import timezone

from environments import access, on_hosts
from environments.models import Host, User
from notifications import events

LONGEST = 1000


class NoteTooLong(Exception):
    """`str()` is the sentence for every door."""


def write(host: Host, text: str, *, by: User | None) -> bool:
    """The note takes the place of the one before; an empty one takes it away. Whether something changed.

    Raises NoteTooLong, NotAllowed.
    """
    on_hosts.require(by, access.DEPLOY, host)
    note = "\n".join(" ".join(line.split()) for line in text.strip().splitlines())
    if len(note) > LONGEST:
        raise NoteTooLong(f"A note has at most {LONGEST} characters; this has {len(note)}. Nothing was changed.")
    facts = {"note_by": by.full_name if by else "the Deployer", "note_at": timezone.now()}
    if not note:
        facts = {"note_by": "", "note_at": None}
    with transaction.atomic():
        if not Host.objects.filter(pk=host.pk).exclude(note=note).update(note=note, **facts):
            return False
        events.record("host.noted", by.username if by else "", host=host.name, note=note or "nothing any more")
    return True
