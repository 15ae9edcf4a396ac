"""The people who can sign in to the demo. Their passwords are made once and kept in a file for its reader."""

import secrets
from pathlib import Path

from environments.demo.layout import write_text
from environments.models import Role, User

PEOPLE = (
    ("ada", "Ada", "Marsh", Role.ADMINISTRATOR),
    ("ben", "Ben", "Sato", Role.DEPLOYER),
    ("cleo", "Cleo", "Winter", Role.VIEWER),
)
FILE_NAME = "demo-users.txt"


def people_file(var: Path) -> Path:
    """One line for each person: name, password, role."""
    return var / FILE_NAME


def make_people(var: Path) -> None:
    """Make those who are missing. A password stays as it is, also when its owner has chosen another."""
    file = people_file(var)
    known = _read(file)
    passwords = {name: known.get(name) or secrets.token_urlsafe(12) for name, *_ in PEOPLE}
    lines = [f"{name} {passwords[name]} {role.value}\n" for name, _, _, role in PEOPLE]
    write_text(file, "".join(lines), mode=0o600)
    for name, first, last, role in PEOPLE:
        administers = role == Role.ADMINISTRATOR
        person, made = User.objects.get_or_create(
            username=name,
            defaults={
                "first_name": first,
                "last_name": last,
                "role": role,
                "is_staff": administers,
                "is_superuser": administers,
            },
        )
        if made or name not in known:
            person.set_password(passwords[name])
            person.save(update_fields=["password"])


def _read(file: Path) -> dict[str, str]:
    if not file.exists():
        return {}
    rows = [line.split() for line in file.read_text(encoding="utf-8").splitlines()]
    return {row[0]: row[1] for row in rows if len(row) == 3}
