"""Secrets at rest: sealed with the installation's own keys, opened only where they are used."""

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from django.conf import settings


class CannotOpen(Exception):
    """A sealed value does not open with any key of this installation.

    Usually a database was restored without its `ENCRYPTION_KEYS`.
    """


def _ring() -> MultiFernet:
    return MultiFernet([Fernet(key) for key in settings.ENCRYPTION_KEYS])


def seal(text: str) -> str:
    """The sealed form of `text`; an empty text stays empty."""
    return _ring().encrypt(text.encode()).decode() if text else ""


def unseal(sealed: str) -> str:
    """The text again. Raises CannotOpen."""
    if not sealed:
        return ""
    try:
        return _ring().decrypt(sealed.encode()).decode()
    except InvalidToken:
        raise CannotOpen(
            "A stored secret cannot be opened with this installation's ENCRYPTION_KEYS. "
            "Restore the keys that belong to this database, or store the secret anew."
        ) from None
