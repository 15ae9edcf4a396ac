"""Which topics a person may hear of: what one may not view does not even say that it changed."""

from collections.abc import Collection
from itertools import chain

from deployments.models import Deploy
from environments import sight, target_words
from environments.access import VIEW, allows
from environments.models import Application, Host, User


def audible(user: User, topics: Collection[str]) -> frozenset[str]:
    """Those of `topics` that are about everything in general, or about something that `user` may view."""
    if sight.sees_all(user):
        return frozenset(topics)
    named: dict[str, list[str]] = {}
    general = []
    for topic in topics:
        kind, _, name = topic.partition("/")
        if kind in ("application", "target", "deploy", "host") and name:
            named.setdefault(kind, []).append(name)
        else:
            general.append(topic)
    heard = (_of_kind(user, kind, names) for kind, names in named.items())
    return frozenset(chain(general, *heard))


def _may_view(user: User, slug: str) -> bool:
    application, _, place = slug.partition("/")
    return allows(user, VIEW, application=application, environment=target_words.split(place)[0])


def _of_kind(user: User, kind: str, names: list[str]) -> list[str]:
    """At most one query for each kind."""
    if kind == "target":
        known = [name for name in names if _may_view(user, name)]
    elif kind == "application":
        rows = Application.objects.filter(sight.of_applications(user), name__in=names)
        known = list(rows.values_list("name", flat=True))
    elif kind == "host":
        known = list(Host.objects.filter(sight.of_hosts(user), name__in=names).values_list("name", flat=True))
    else:
        numbers = [int(name) for name in names if name.isascii() and name.isdecimal() and len(name) < 19]
        found = Deploy.objects.filter(sight.of_targets(user, "target__"), pk__in=numbers)
        known = [str(pk) for pk in found.values_list("pk", flat=True)]
    return [f"{kind}/{name}" for name in known]
