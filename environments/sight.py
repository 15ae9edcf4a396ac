"""What of all there is a person may see: filters for lists. Who may look at everything costs no query."""

from django.db.models import Q

from environments.access import ADMINISTER, VIEW, allows, role_allows, visible
from environments.models import Membership, Target, User
from environments.rights import rights_of


def sees_all(user: User | None) -> bool:
    """Whether nothing is hidden from `user`; None is the Deployer itself."""
    return user is None or allows(user, VIEW)


def of_targets(user: User | None, prefix: str = "") -> Q:
    """For rows with a target: `prefix` leads to its fields, as `target__`."""
    if user is None or sees_all(user):
        return Q()
    return visible(user, application=f"{prefix}application", environment=f"{prefix}environment")


def of_applications(user: User | None, field: str = "pk") -> Q:
    """Those with a target that one may view, and those that one may view as a whole; `field` leads to their id."""
    if user is None or sees_all(user):
        return Q()
    whole = [one.application[0] for one in rights_of(user).given if one.application and not one.environment]
    with_targets = Target.objects.filter(of_targets(user)).order_by().values("application")
    found = Q(**{f"{field}__in": with_targets}) | Q(**{f"{field}__in": whole})
    return found & Q(**{field: user.limits.application[0]}) if user.limits and user.limits.application else found


def administered_applications(user: User | None, field: str = "pk") -> Q:
    """Those that one administers as a whole; `field` leads to their id."""
    if user is None or allows(user, ADMINISTER):
        return Q()
    given = [one for one in rights_of(user).given if role_allows(one.role, ADMINISTER) and not one.environment]
    ids = [one.application[0] for one in given if one.application]
    return Q(**{f"{field}__in": [pk for pk in ids if allows(user, ADMINISTER, application=pk)]})


def of_environments(user: User | None, field: str = "pk") -> Q:
    """Those with a target that one may view, and those that one may view as a whole; `field` leads to their id."""
    return Q() if user is None or sees_all(user) else _environments(user, field)


def of_memberships(user: User | None) -> Q:
    """The places of hosts in those environments."""
    return Q() if user is None or sees_all(user) else _environments(user, "environment")


def of_hosts(user: User | None) -> Q:
    """The hosts of those environments."""
    if user is None or sees_all(user):
        return Q()
    return Q(pk__in=Membership.objects.filter(_environments(user, "environment")).order_by().values("host"))


def _environments(user: User, field: str) -> Q:
    with_targets = Target.objects.filter(of_targets(user)).order_by().values("environment")
    found = Q(**{f"{field}__in": with_targets})
    if user.limits and user.limits.application:
        return found
    whole = [one.environment[0] for one in rights_of(user).given if one.environment and not one.application]
    return found | Q(**{f"{field}__in": whole})


def of_events(user: User | None) -> Q:
    """For the audit trail, which holds names: what is about a target, an application or an environment of theirs."""
    return Q() if user is None or sees_all(user) else visible(user, by_name=True)
