"""Adding an application, and changing where its repository lies.

ApplicationError
├── ApplicationWrong      a value cannot be; `problems` says which, field by field
├── ApplicationTaken      the name is another application's already
└── ApplicationInUse      it has targets, and is not removed with them
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction

from environments import access, deploy_keys, repositories
from environments.models import Application, User
from environments.sealed import seal
from environments.validation import repository_host
from notifications import events


class ApplicationError(Exception):
    """`str()` is the sentence for every door."""


class ApplicationWrong(ApplicationError):
    def __init__(self, problems: Mapping[str, str]) -> None:
        self.problems = dict(problems)
        super().__init__(" ".join(self.problems.values()) + " Nothing was changed.")


class ApplicationTaken(ApplicationError):
    pass


class ApplicationInUse(ApplicationError):
    pass


@dataclass(frozen=True)
class Access:
    """How a repository is read besides by its own key: a user and a token for https. An empty token stays as it is."""

    user: str = ""
    token: str = ""


def name_of(repository: str) -> str:
    """What an application would be called by the address of its repository; "" if nothing can be made of it."""
    last = re.split(r"[/:]", repository.rstrip("/"))[-1].removesuffix(".git").lower()
    return re.sub(r"[^a-z0-9]+", "-", last).strip("-")[:63].strip("-")


def read_address(repository: str) -> str:
    """The address as we keep it: people also paste that of the page. Raises ApplicationWrong."""
    text = repository.strip().removeprefix("git clone ").strip()
    if not text:
        raise ApplicationWrong({"repository": "Paste the address with which you would clone the repository."})
    parts = urlsplit(text) if text.startswith(("https://", "http://")) else None
    if parts and parts.scheme == "http":
        raise ApplicationWrong(
            {"repository": "http:// lets everybody read the code and the token. Use https:// or an SSH address."}
        )
    if parts and re.fullmatch(r"(www\.)?(github|gitlab)\.com|bitbucket\.org|codeberg\.org", parts.hostname or ""):
        # of a page about a branch or file, only what names the repository
        text = re.sub(r"/(-/)?(tree|blob|commits?|src|branch)/.*$", "", text.rstrip("/"))
    try:
        repositories.check_address(text)
    except repositories.RepositoryRefused as error:
        raise ApplicationWrong({"repository": str(error)}) from None
    return text


def add_application(*, name: str, repository: str, way: Access, by: User | None) -> Application:
    """A new application, with a key of its own if it is reached over SSH. Nothing is asked of the repository yet.

    Raises ApplicationError, NotAllowed.
    """
    access.require(by, access.ADMINISTER)
    address = read_address(repository)
    application = Application(name=name.strip() or name_of(address), repository=address)
    _let_in(application, way)
    _check(application)
    try:
        with transaction.atomic():
            application.save()
            events.record("application.added", _actor(by), application=application.name, repository=address)
    except IntegrityError:
        raise ApplicationTaken(
            f"There is an application {application.name} already. Choose another name. Nothing was changed."
        ) from None
    return application


def change_repository(application: Application, *, repository: str, way: Access, by: User | None) -> None:
    """Read it from another address, or with another token. Raises ApplicationError, NotAllowed."""
    access.require(by, access.MAINTAIN, application=application)
    address = read_address(repository)
    if urlsplit(address).netloc != urlsplit(application.repository).netloc:
        application.https_token = ""  # it was given for another server, which alone may see it
    application.repository = address
    _let_in(application, way)
    _check(application)
    with transaction.atomic():
        application.save()
        _record_change(application, by, repository=application.repository, token=bool(way.token))


def renew_key(application: Application, *, by: User | None) -> None:
    """Make a new key; the old one opens nothing from here any more. Raises NotAllowed."""
    access.require(by, access.MAINTAIN, application=application)
    application.deploy_key = deploy_keys.make_key()
    with transaction.atomic():
        application.save(update_fields=["deploy_key"])
        _record_change(application, by, key="renewed")


def take_branch(application: Application, branch: str, *, by: User | None) -> None:
    """From now on this branch is proposed for deploys. Raises ApplicationWrong, NotAllowed."""
    access.require(by, access.MAINTAIN, application=application)
    if branch == application.default_branch:
        return
    application.default_branch = branch
    _check(application)
    with transaction.atomic():
        application.save(update_fields=["default_branch"])
        _record_change(application, by, default_branch=branch)


def remove_application(application: Application, *, by: User | None) -> None:
    """Only one without targets: history is not thrown away here. Raises ApplicationInUse, NotAllowed."""
    access.require(by, access.ADMINISTER, application=application)
    if application.targets.exists():
        raise ApplicationInUse(
            f"{application.name} has targets, and with them a history. Remove those first. Nothing was changed."
        )
    with transaction.atomic():
        events.record("application.removed", _actor(by), application=application.name)
        application.delete()


def _let_in(application: Application, way: Access) -> None:
    application.https_user = way.user.strip()
    if way.token.strip():
        application.https_token = seal(way.token.strip())
    if repository_host(application.repository) and not application.deploy_key:
        application.deploy_key = deploy_keys.make_key()


def _check(application: Application) -> None:
    try:
        # the database says which names are taken, when the row is written
        application.full_clean(validate_unique=False)
    except ValidationError as error:
        raise ApplicationWrong({field: texts[0] for field, texts in error.message_dict.items()}) from None


def _record_change(application: Application, by: User | None, **facts: Any) -> None:
    events.record("application.changed", _actor(by), application=application.name, **facts)


def _actor(by: User | None) -> str:
    return by.username if by else ""
