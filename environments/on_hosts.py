"""Who may do something to a host: it serves whole environments, so whoever may in all of those."""

from environments import access
from environments.models import Host, User


def allows(user: User, permission: str, host: Host) -> bool:
    """Whether `user` has `permission` in every environment that the host is in; in none: everywhere."""
    if access.allows(user, permission):
        return True
    places = [member.environment_id for member in host.memberships.all()]
    return bool(places) and all(access.allows(user, permission, environment=place) for place in places)


def require(user: User | None, permission: str, host: Host) -> None:
    """Raises NotAllowed; None is the Deployer itself."""
    if user is not None and not allows(user, permission, host):
        raise access.NotAllowed(user, permission, about=host.name)
