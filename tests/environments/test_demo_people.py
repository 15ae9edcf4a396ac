"""The people of the demo, and the file with their passwords."""

import stat
from pathlib import Path

import pytest

from environments.demo.people import PEOPLE, make_people, people_file
from environments.models import Role, User


@pytest.mark.django_db
def test_people_can_sign_in_with_the_words_of_a_private_file(tmp_path: Path) -> None:
    make_people(tmp_path)
    file = people_file(tmp_path)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    rows = [line.split() for line in file.read_text().splitlines()]
    assert [(name, role) for name, _, role in rows] == [(name, str(role)) for name, _, _, role in PEOPLE]
    assert {role for _, _, role in rows} == {Role.ADMINISTRATOR, Role.DEPLOYER, Role.VIEWER}
    for name, password, role in rows:
        person = User.objects.get(username=name)
        assert person.check_password(password)
        assert person.role == role
        assert person.is_superuser == (role == Role.ADMINISTRATOR)
        assert len(password) >= 12
    assert len({password for _, password, _ in rows}) == 3


@pytest.mark.django_db
def test_a_lost_file_gives_new_passwords_and_a_lost_database_the_old_ones(tmp_path: Path) -> None:
    make_people(tmp_path)
    first = people_file(tmp_path).read_text()
    User.objects.all().delete()
    make_people(tmp_path)
    assert people_file(tmp_path).read_text() == first
    people_file(tmp_path).unlink()
    make_people(tmp_path)
    assert people_file(tmp_path).read_text() != first
    for name, password, _ in (line.split() for line in people_file(tmp_path).read_text().splitlines()):
        assert User.objects.get(username=name).check_password(password)
