import threading

import pytest
from django.db import connection

from deployer_site.snapshot import snapshot
from environments.models import User
from tests.builders import make_user

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.both_databases]


def write_elsewhere() -> None:
    """Another process's write, which must neither wait nor be seen."""

    def write() -> None:
        make_user(username="late")
        connection.close()

    thread = threading.Thread(target=write)
    thread.start()
    thread.join(timeout=30)
    assert not thread.is_alive(), "The writer had to wait."


def test_it_sees_one_moment_and_keeps_nobody_waiting() -> None:
    make_user(username="early")
    with snapshot():
        assert User.objects.count() == 1
        write_elsewhere()
        assert User.objects.count() == 1
    assert User.objects.count() == 2


def test_later_transactions_take_the_write_lock_again() -> None:
    usual = vars(connection).get("transaction_mode") or getattr(connection, "transaction_mode", None)
    with snapshot():
        pass
    assert getattr(connection, "transaction_mode", None) == usual
