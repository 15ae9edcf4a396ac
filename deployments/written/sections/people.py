"""Who may come in, and as what. Passwords, second factors and tokens are each person's own, and in no file."""

from deployments.written import fields
from deployments.written.section import Entry, Section
from environments import people, teams
from environments.models import Role, User


class People(Section):
    """Somebody new has no password: an administrator hands over a link. A file takes nobody away; it may disable."""

    name = "people"
    models = (User,)
    fields = {
        "name": fields.text(),
        "email": fields.text(),
        "role": fields.text(Role.VIEWER.value),
        "enabled": fields.truth(usual=True),
    }

    def now(self) -> dict[str, Entry]:
        return {row.username: _entry(row) for row in User.objects.filter(hook=False).order_by("username")}

    def write(self, key: str, entry: Entry, before: Entry | None, by: User | None) -> None:
        if entry["role"] not in Role.values:
            raise people.WrongName(f"{entry['role'][:40]!r} is no role; there are {', '.join(Role.values)}.")
        if before is None:
            person = people.invite(
                username=key, full_name=entry["name"], role=entry["role"], email=entry["email"], by=by
            )
            if person.username != key:
                raise people.WrongName(f"{key[:80]!r} can be no user name; write it as {person.username}.")
            before = entry | {"enabled": True}
        person = User.objects.get(username=key)
        if entry["name"] != before["name"]:
            people.rename(person, entry["name"], by=by)
        if entry["email"] != before["email"]:
            people.set_email(person, entry["email"], by=by)
        if entry["enabled"] and not before["enabled"]:
            people.enable(person, by=by)
        if entry["role"] != before["role"]:
            people.set_role(person, entry["role"], by=by)
        if before["enabled"] and not entry["enabled"]:
            people.disable(person, by=by)

    def complete(self, entry: Entry, before: Entry | None) -> Entry:
        found = super().complete(entry, before)
        return found | {"name": " ".join(found["name"].split())}


def find_person(name: str) -> User:
    """Also one who is disabled: a team or grant of theirs opens nothing. Raises NoSuchPerson."""
    found = User.objects.filter(username=name).first()
    return found or teams.find_person(name)


def _entry(row: User) -> Entry:
    role = Role.ADMINISTRATOR.value if row.is_superuser else row.own_role or row.role  # not what a group gave
    name = " ".join(row.get_full_name().split())
    return {"name": name, "email": row.email, "role": role, "enabled": row.is_active}
