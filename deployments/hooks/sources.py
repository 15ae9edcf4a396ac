"""Who may send hooks for an application: making, another secret, removing.

A source deploys as itself: an account that nobody signs in with, and that was made deployer of its application. What it
may is on the page of permissions like everybody's, and ends there.
"""

import secrets
from collections.abc import Mapping
from typing import Any

from django.db import transaction
from django.db.models import QuerySet

from deployments.hooks import kinds
from deployments.hooks.errors import SourceWrong
from environments import access, granting, sight
from environments.models import Application, Grant, HookSource, Role, User
from environments.sealed import seal
from notifications import events, metrics

SECRET_BYTES = 32
LONGEST = 2000


def make(
    kind: str, application: Application, *, settings: Mapping[str, str] | None = None, by: User | None
) -> tuple[HookSource, str]:
    """A source and its secret, which cannot be read again. Raises NotAllowed, SourceWrong."""
    access.require(by, access.ADMINISTER, application=application)
    chosen = _settings(kind, settings or {})
    key, secret = secrets.token_hex(12), secrets.token_hex(SECRET_BYTES)
    with transaction.atomic():
        source = HookSource.objects.create(
            key=key,
            kind=kind,
            application=application,
            settings=chosen,
            secret=seal(secret),
            account=_account(kind, application, by),
            made_by=by.username if by else "",
        )
        record("hook.source_made", source, by)
    return source, secret


def renew_secret(source: HookSource, *, by: User | None) -> str:
    """Another secret; the one before signs nothing any more. Raises NotAllowed."""
    access.require(by, access.ADMINISTER, application=source.application)
    secret = secrets.token_hex(SECRET_BYTES)
    with transaction.atomic():
        HookSource.objects.filter(pk=source.pk).update(secret=seal(secret))
        record("hook.secret_renewed", source, by)
    return secret


def remove(source: HookSource, *, by: User | None) -> None:
    """It is heard no more, and what of it waits does not start. Its deliveries go with it. Raises NotAllowed."""
    access.require(by, access.ADMINISTER, application=source.application)
    with transaction.atomic():
        record("hook.source_removed", source, by)
        # the account stays for the deploys that it asked for: without it they would be the Deployer's own
        User.objects.filter(pk=source.account_id).update(is_active=False)
        for grant in Grant.objects.filter(person=source.account_id).select_related("application", "environment"):
            granting.take_away(grant, by=None)
        source.delete()


def visible(user: User | None) -> QuerySet[HookSource]:
    """Those that `user` may change."""
    rows = HookSource.objects.select_related("application", "account")
    return rows.filter(sight.administered_applications(user, "application"))


def _settings(word: str, said: Mapping[str, str]) -> dict[str, str]:
    kind = kinds.find(word)
    known = [field.name for field in kind.TOLD.fields]
    problems = {name: f"{kind.TOLD.title} knows no setting {name[:40]!r}." for name in said if name not in known}
    chosen = {name: str(said.get(name, "")).strip() for name in known}
    problems |= {name: f"This is longer than {LONGEST} characters." for name in known if len(chosen[name]) > LONGEST}
    if problems := problems or dict(kind.check(chosen)):
        raise SourceWrong(problems)
    return chosen


def _account(kind: str, application: Application, by: User | None) -> User:
    """Its names say nothing of the application: whoever gives roles somewhere else sees them too."""
    word = secrets.token_hex(4)
    title = kinds.find(kind).TOLD.title
    account = User(username=f"hook-{word}", first_name=f"{title} hook", last_name=word, role=Role.GUEST, hook=True)
    account.set_unusable_password()
    account.save()
    granting.give(account, Role.DEPLOYER, application=application, by=by)
    return account


def record(event: str, source: HookSource, by: User | None, **facts: Any) -> None:
    title = kinds.KINDS[source.kind].TOLD.title if source.kind in kinds.KINDS else source.kind
    actor, application = by.username if by else "", source.application.name
    events.record(event, actor, application=application, source=source.pk, name=title, **facts)


def measure(source: HookSource, decision: str) -> None:
    """Something came in from it, and this became of it."""
    metrics.count("hooks", application=source.application.name, kind=source.kind, decision=decision)
