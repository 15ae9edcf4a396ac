"""Where in a release its configuration lies: a setting of the target."""

from dataclasses import dataclass
from typing import Self

from django.core.exceptions import ValidationError
from django.db import transaction

from environments import access
from environments.configuration.errors import DeliveryRefused
from environments.models import Target, User
from environments.validation import validate_relative
from notifications import events

MOST_FILES = 50


@dataclass(frozen=True)
class Delivery:
    """Paths below the release; empty: not wanted. `files` are those of the repository with ${NAME} in them."""

    env: str = ""
    json: str = ""
    files: tuple[str, ...] = ()

    @classmethod
    def of(cls, target: Target) -> Self:
        """An endpoint's lies where its target's does."""
        said = target.pattern
        return cls(said.configuration_env, said.configuration_json, tuple(said.configuration_files))

    @property
    def paths(self) -> tuple[str, ...]:
        """All that is written."""
        return (*filter(None, (self.env, self.json)), *self.files)

    def __str__(self) -> str:
        said = [f"lines in {self.env}"] if self.env else []
        said += [f"JSON in {self.json}"] if self.json else []
        said += [f"${{NAME}} in {', '.join(self.files)}"] if self.files else []
        return "; ".join(said) or "in no file"


def set_delivery(target: Target, wanted: Delivery, *, by: User | None) -> bool:
    """Whether something changed. Hosts get it with the next deploy. Raises NotAllowed, DeliveryRefused."""
    access.require(by, access.MAINTAIN, target)
    _check(target, wanted)
    if wanted == Delivery.of(target):
        return False
    target.configuration_env, target.configuration_json = wanted.env, wanted.json
    target.configuration_files = list(wanted.files)
    with transaction.atomic():
        target.save(update_fields=["configuration_env", "configuration_json", "configuration_files"])
        events.record(
            "configuration.delivery_changed",
            by.username if by else "",
            application=target.application.name,
            environment=target.environment.name,
            told=str(wanted),
            env=wanted.env,
            json=wanted.json,
            files=list(wanted.files),
        )
    return True


def _check(target: Target, wanted: Delivery) -> None:
    for path in wanted.paths:
        try:
            validate_relative(path)
        except ValidationError as error:
            raise DeliveryRefused(f"{error.messages[0]} Nothing was changed.") from None
    if len(wanted.files) > MOST_FILES:
        raise DeliveryRefused(f"At most {MOST_FILES} files can hold values. Nothing was changed.")
    for path in wanted.paths:
        if wanted.paths.count(path) > 1:
            raise DeliveryRefused(f"{path} would be written twice. Give each its own path. Nothing was changed.")
        for linked in (*target.linked_dirs, *target.linked_files):
            if f"{path}/".startswith(f"{linked}/"):
                raise DeliveryRefused(
                    f"{path} lies in {linked}, which is shared by all releases. A release has its own configuration, "
                    "so that a rollback finds it as it was. Choose another path, or unlink it. Nothing was changed."
                )
