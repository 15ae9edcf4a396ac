"""Secrets at rest: without this installation's keys they are nothing."""

import pytest
from cryptography.fernet import Fernet
from pytest_django import Settings

from environments.sealed import CannotOpen, seal, unseal


@pytest.mark.parametrize("text", ["hunter2!", "päss wörd\n", "a" * 10_000])
def test_what_is_sealed_opens_again(text: str) -> None:
    sealed = seal(text)
    assert text not in sealed
    assert seal(text) != sealed, "equal secrets cannot be told to be equal"
    assert unseal(sealed) == text


def test_nothing_stays_nothing() -> None:
    assert (seal(""), unseal("")) == ("", "")


def test_a_new_key_is_put_first_and_old_secrets_still_open(settings: Settings) -> None:
    old = seal("hunter2")
    added = Fernet.generate_key().decode()
    settings.ENCRYPTION_KEYS = [added, *settings.ENCRYPTION_KEYS]
    assert unseal(old) == "hunter2"
    new = seal("hunter3")
    settings.ENCRYPTION_KEYS = [added]
    assert unseal(new) == "hunter3"
    with pytest.raises(CannotOpen, match="Restore the keys that belong to this database"):
        unseal(old)


@pytest.mark.parametrize("damaged", ["x", "gAAAAA", "hunter2"])
def test_what_was_damaged_does_not_open(damaged: str) -> None:
    with pytest.raises(CannotOpen):
        unseal(damaged)
    with pytest.raises(CannotOpen):
        unseal(seal("hunter2")[:-4] + "AAA=")
