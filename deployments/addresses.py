"""Which target an address with the number of a deploy is about."""

from collections.abc import Mapping
from typing import Any

from deployments.models import Deploy
from environments.access import allows
from environments.models import User


def of_deploy(user: User, permission: str, words: Mapping[str, Any]) -> bool:
    """`deploy_id` is a deploy's; where there is none, nothing is allowed."""
    places = Deploy.objects.filter(pk=words["deploy_id"]).values_list("target__application", "target__environment")
    found = places.first()
    return found is not None and allows(user, permission, application=found[0], environment=found[1])
