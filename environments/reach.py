"""How far a permission reaches: places, and what a token is limited to. Pure."""

from dataclasses import dataclass

# An application or environment, by its id or by its name; None: not one, but all of them.
Key = int | str | None


@dataclass(frozen=True)
class Place:
    """What something is about: one target, a whole application, a whole environment, or everything."""

    application: Key = None
    environment: Key = None


EVERYWHERE = Place()


@dataclass(frozen=True)
class Limits:
    """What a token is for. Its person may have less; it never has more than this."""

    permissions: frozenset[str]
    application: tuple[int, str] | None = None

    def allow(self, permission: str, place: Place, *, somewhere: bool = False) -> bool:
        """Whether the token may be used for this; about signing in, no place is asked."""
        if permission not in self.permissions:
            return False
        if self.application is None or (somewhere and place.application is None):
            return True
        return place.application in self.application
