"""Lock, unlock and reserve, as the palette offers them: an address whose form is open and asks for the rest."""

from collections.abc import Iterator, Mapping, Sequence

from django.urls import reverse

from deployments.page_queries.choices import Choice
from environments import locks, sight
from environments.access import LOCK
from environments.models import Environment, Lock, Target, User

LOCK_VERBS = {
    "unlock": ("unlock", "release"),
    "lock": ("lock", "hold"),
    "reserve": ("reserve", "reservation", "book"),
}
SHOWN = 6


def find_lock_deeds(user: User, verb: str, targets: Sequence[Target], words: Sequence[str]) -> list[Choice]:
    """What can be done with the locks of these targets, and of environments that are called so. Two queries."""
    scopes = [locks.of_environment(row) for row in _environments(user, words)]
    scopes += [locks.of_target(target) for target in targets]
    able = [scope for scope in scopes if locks.allows(user, LOCK, scope)]
    rows = locks.held().filter(scope__in=[scope.text for scope in able], machines_only=False)
    there = {} if verb == "reserve" else {row.scope: row for row in rows.select_related("holder", "team")}
    return list(_deeds(user, verb, able, there))[:SHOWN]


def _environments(user: User, words: Sequence[str]) -> list[Environment]:
    """None where nothing was named: then one's own targets are meant."""
    found = Environment.objects.filter(sight.of_environments(user))
    for word in words:
        found = found.filter(name__contains=word)
    return list(found[:SHOWN]) if words else []


def _deeds(user: User, verb: str, scopes: Sequence[locks.Scope], there: Mapping[str, Lock]) -> Iterator[Choice]:
    for scope in scopes:
        lock = there.get(scope.text)
        if verb == "reserve":
            yield _reserve(scope)
        elif lock is None:
            if verb == "lock":
                yield _at(scope, f"Lock {scope.place}", "why")
        elif locks.is_holder(lock, user):
            yield _at(scope, f"Unlock {scope.place}", "lock-card", "you hold it", "lock-open")
        elif verb == "lock":
            yield _at(scope, f"Wait in line for {scope.place}", "wait-why", f"{lock.holder_name} holds it", "hourglass")
        else:
            yield _at(scope, f"Ask for {scope.place}", "ask-text", f"{lock.holder_name} holds it", "message-question")


def _at(scope: locks.Scope, words: str, field: str, note: str = "", icon: str = "lock") -> Choice:
    """A browser opens the form in which the field of an address is."""
    return Choice(words, f"{_page(scope)}#{field}-{scope.text.replace('/', '')}", note, icon)


def _page(scope: locks.Scope) -> str:
    if scope.target is not None:
        return reverse("target", args=[scope.target.application.name, scope.target.place])
    return reverse("environment", args=[scope.text])


def _reserve(scope: locks.Scope) -> Choice:
    environment = scope.environment
    assert environment is not None
    url = reverse("calendar", args=[environment.name]) + f"?scope={scope.text}#book-scope"
    return Choice(f"Reserve {scope.place}", url, "choose a time", "clock")
