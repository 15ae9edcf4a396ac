"""The words at the end of a start: where to go and how to sign in."""

from collections.abc import Sequence

from django.conf import settings
from django.db import connection

from environments import signin_links


def welcome(missing: Sequence[str]) -> list[str]:
    """The lines of the box; `missing` has a sentence for each part that does not work."""
    try:
        people = _demo_people() if settings.DEMO else _first_person()
    finally:
        connection.close()
    if missing:
        headline = [f"The Deployer runs at {settings.BASE_URL}, but not everything works:", "", *missing]
    else:
        headline = [f"The Deployer is ready: {settings.BASE_URL}"]
    return [*headline, "", *people, f"Everything is kept in {settings.VAR}", "Ctrl-C ends all of it."]


def _demo_people() -> list[str]:
    file = settings.VAR / "demo-users.txt"
    if not file.exists():
        return [f"How to sign in will stand in {file}", ""]
    people = [line.split() for line in file.read_text(encoding="utf-8").splitlines() if len(line.split()) == 3]
    widest = [max((len(person[column]) for person in people), default=0) for column in range(3)]
    lines = [
        f"  {name.ljust(widest[0])}  {password.ljust(widest[1])}  {role.ljust(widest[2])}".rstrip()
        for name, password, role in people
    ]
    return ["Sign in as one of the demo's people (name, password, role):", *lines, ""]


def _first_person() -> list[str]:
    if signin_links.is_anybody_there():
        return []
    return [
        "Nobody can sign in yet. This link makes the first administrator; it works once, within 24 hours:",
        f"  {signin_links.make()}",
        "",
    ]
