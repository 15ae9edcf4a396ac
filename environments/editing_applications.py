"""How an application's code gets to its hosts: which branch, by which way, built by which command."""

from dataclasses import asdict, dataclass
from typing import Any

from django.core.exceptions import ValidationError
from django.db import transaction

from environments import access
from environments.adding_applications import ApplicationWrong
from environments.models import Application, User
from environments.sealed import seal, unseal
from notifications import events

# What runs on workers, or whom they call: more than anyone may decide who maintains one application.
_OF_WORKERS = {"build_command", "artifact_url", "artifact_sha256_url"}


@dataclass(frozen=True)
class ApplicationPlan:
    """An application as somebody wants it, besides its name and its repository."""

    default_branch: str = "main"
    distribution: str = Application.Distribution.ARCHIVE.value
    artifact_url: str = ""  # with {sha} where the revision stands
    artifact_sha256_url: str = ""
    artifact_user: str = ""
    build_command: str = ""
    build_output: str = ""
    build_time_limit: int = 900  # seconds

    def fields(self) -> dict[str, Any]:
        """As the columns of an application."""
        return asdict(self)


def plan_of(application: Application) -> ApplicationPlan:
    """An application as it is."""
    return ApplicationPlan(**{name: getattr(application, name) for name in ApplicationPlan.__dataclass_fields__})


def change_application(
    application: Application, wanted: ApplicationPlan, *, artifact_token: str = "", by: User | None
) -> bool:
    """Whether something changed; an empty token stays as it is. What runs already goes on as it began.

    Raises ApplicationWrong, NotAllowed.
    """
    access.require(by, access.MAINTAIN, application=application)
    changed = sorted(name for name, value in wanted.fields().items() if getattr(application, name) != value)
    if _OF_WORKERS & set(changed):
        access.require(by, access.ADMINISTER)
    for name, value in wanted.fields().items():
        setattr(application, name, value)
    if artifact_token and (not application.artifact_token or unseal(application.artifact_token) != artifact_token):
        application.artifact_token = seal(artifact_token)
        changed.append("artifact_token")
    try:
        application.full_clean(validate_unique=False)
    except ValidationError as error:
        raise ApplicationWrong({field: texts[0] for field, texts in error.message_dict.items()}) from None
    if not changed:
        return False
    with transaction.atomic():
        application.save(update_fields=[*wanted.fields(), "artifact_token"])
        actor = by.username if by else ""
        events.record("application.changed", actor, application=application.name, changed=changed)
    return True
