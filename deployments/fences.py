"""The way out when hosts have seen higher fences than the database knows, as after a restored backup."""

from django.db import transaction

from environments import access
from environments.models import Target, User
from notifications import events


class FenceTooLow(Exception):
    """A fence is only ever raised; the text says where it stands."""


def raise_to(target: Target, fence: int, *, by: User | None, actor: str = "") -> None:
    """The next claim on `target` takes a higher fence than `fence`, so that its hosts take it again.

    `actor` names who acts where there is no user, as on the command line. Raises FenceTooLow, NotAllowed.
    """
    access.require(by, access.ADMINISTER, target)
    with transaction.atomic():
        raised = Target.objects.filter(pk=target.pk, fence__lt=fence).update(fence=fence)
        if not raised:
            now = Target.objects.values_list("fence", flat=True).get(pk=target.pk)
            raise FenceTooLow(f"The fence of {target.slug} is {now} already, so it was left as it is.")
        events.record(
            "fence.raised",
            by.username if by else actor,
            application=target.application.name,
            environment=target.environment.name,
            fence=fence,
        )
    target.fence = fence
