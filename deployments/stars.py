"""Which targets does a person want to see first?"""

from deployments.models import Star
from environments import access
from environments.models import Target, User


def star(target: Target, *, by: User) -> None:
    """Doing it twice is harmless. Raises NotAllowed."""
    access.require(by, access.VIEW, target)
    Star.objects.get_or_create(person=by, target=target)


def unstar(target: Target, *, by: User) -> None:
    """Doing it twice is harmless. Raises NotAllowed."""
    access.require(by, access.VIEW, target)
    Star.objects.filter(person=by, target=target).delete()
