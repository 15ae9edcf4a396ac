"""Which place an address is about, by its words: what routes declare beside the permission that they need."""

from collections.abc import Mapping
from typing import Any

from environments import on_hosts, sight, target_words
from environments.access import VIEW, allows, allows_somewhere
from environments.models import Application, Environment, Host, User

Words = Mapping[str, Any]


def anywhere(user: User, permission: str, words: Words) -> bool:
    """Lists, which show only what one may view, and forms that ask for the place."""
    return allows_somewhere(user, permission)


def of_target(user: User, permission: str, words: Words) -> bool:
    """`application` is a name, `environment` a place as `staging` or `staging/feature-x`: who may what is the same."""
    environment, _ = target_words.split(words["environment"])
    return allows(user, permission, application=words["application"], environment=environment)


def of_application(user: User, permission: str, words: Words) -> bool:
    """`name` is an application's. To view is to view some of it; all else is about all of it."""
    if permission == VIEW:
        return Application.objects.filter(sight.of_applications(user), name=words["name"]).exists()
    return allows(user, permission, application=words["name"])


def of_environment(user: User, permission: str, words: Words) -> bool:
    """`name` is an environment's. To view is to view some of it; all else is about all of it."""
    if permission == VIEW:
        return Environment.objects.filter(sight.of_environments(user), name=words["name"]).exists()
    return allows(user, permission, environment=words["name"])


def within_environment(user: User, permission: str, words: Words) -> bool:
    """`environment` is an environment's; it is enough to have the permission for some target there."""
    return allows_somewhere(user, permission, environment=words["environment"])


def of_host(user: User, permission: str, words: Words) -> bool:
    """`name` is a host's."""
    found = Host.objects.filter(sight.of_hosts(user), name=words["name"]).first()
    return found is not None and (permission == VIEW or on_hosts.allows(user, permission, found))


def of_host_and_target(user: User, permission: str, words: Words) -> bool:
    """`name` is a host's; what is done there is done to the target."""
    return of_host(user, VIEW, words) and of_target(user, permission, words)
