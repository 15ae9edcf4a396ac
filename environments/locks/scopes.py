"""What a lock is about: everything, an environment, or a target."""

from dataclasses import dataclass
from typing import Any

from django.db.models import Q

from environments import access, sight
from environments.locks.errors import NothingToLock
from environments.models import Environment, Lock, LockRequest, Reservation, Target, User
from environments.models.locks import EVERYTHING


@dataclass(frozen=True)
class Scope:
    """`text` is the one way to write it: `*`, `staging`, `shop/staging`."""

    text: str
    environment: Environment | None = None
    target: Target | None = None

    @property
    def place(self) -> str:
        return "everything" if self.text == EVERYTHING else self.text

    @property
    def names(self) -> tuple[str, str]:
        """Application and environment, or "", as events tell where something happened."""
        if self.target:
            return self.target.application.name, self.target.environment.name
        return "", self.environment.name if self.environment else ""

    @property
    def endpoint(self) -> dict[str, Any]:
        """What events tell besides: the name of an endpoint."""
        return {"endpoint": self.target.name} if self.target and self.target.name else {}


ALL = Scope(EVERYTHING)


def of_environment(environment: Environment) -> Scope:
    return Scope(environment.name, environment)


def of_target(target: Target) -> Scope:
    return Scope(target.slug, target.environment, target)


def of_row(row: Lock | LockRequest | Reservation) -> Scope:
    return Scope(row.scope, row.environment, row.target)


def find(text: str, *, viewer: User | None) -> Scope:
    """The scope that `text` writes; what `viewer` may not view is not there. Raises NothingToLock.

    None is the Deployer itself.
    """
    found = _find(text)
    if found is None or (viewer is not None and not _in_sight(found, viewer)):
        raise NothingToLock(
            f"There is nothing called {text[:200]!r} to lock: say `*`, an environment, or application/environment."
        )
    return found


def _in_sight(scope: Scope, viewer: User) -> bool:
    if scope.target:
        return access.allows(viewer, access.VIEW, scope.target)
    if scope.environment is None:
        return True
    return Environment.objects.filter(sight.of_environments(viewer), pk=scope.environment.pk).exists()


def _find(text: str) -> Scope | None:
    words = text.split("/")
    if text == EVERYTHING:
        return ALL
    if len(words) == 1:
        environment = Environment.objects.filter(name=text).first()
        if environment is not None:
            return of_environment(environment)
    if len(words) in (2, 3):
        application, place, name = (*words, "")[:3]
        targets = Target.objects.select_related("application", "environment")
        target = targets.filter(application__name=application, environment__name=place, name=name).first()
        if target is not None:
            return of_target(target)
    return None


def covering(target: Target) -> list[str]:
    """All scopes whose locks apply to `target`."""
    return [EVERYTHING, target.environment.name, target.slug]


def require(by: User | None, permission: str, scope: Scope) -> None:
    """Raises NotAllowed."""
    access.require(by, permission, scope.target, environment=None if scope.target else scope.environment)


def allows(by: User | None, permission: str, scope: Scope) -> bool:
    return access.allows(by, permission, scope.target, environment=None if scope.target else scope.environment)


def visible(user: User) -> Q:
    """Which locks or reservations `user` may see: those of what one may view a part of, and of everything."""
    environments = Environment.objects.filter(sight.of_environments(user)).order_by()
    targets = access.visible(user, application="target__application", environment="environment")
    return Q(environment=None) | Q(target=None, environment__in=environments) | (Q(target__isnull=False) & targets)
