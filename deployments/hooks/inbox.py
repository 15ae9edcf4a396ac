"""What came in: looking at one as it came, with its secrets masked, and having it worked on once more."""

import zlib
from dataclasses import dataclass

from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone

from deployments import doorbell
from deployments.hooks.errors import NothingToReplay
from deployments.hooks.intake import WORK_HOOK
from deployments.hooks.masking import masked_json
from deployments.hooks.sources import record
from deployments.models import HookDelivery
from deployments.secrecy import secrets_of
from environments import access, sight
from environments.models import User
from environments.sealed import unseal
from notifications import live


@dataclass(frozen=True)
class Raw:
    """`body`: as readable JSON; "" of what was not kept."""

    headers: dict[str, str]
    body: str


def visible(user: User | None) -> QuerySet[HookDelivery]:
    """Those of applications of which `user` may view some of it."""
    rows = HookDelivery.objects.select_related("source__application").defer("body", "headers")
    return rows.filter(sight.of_applications(user, "source__application"))


def open_raw(delivery: HookDelivery, *, by: User | None) -> Raw:
    """Raises NotAllowed, CannotOpen."""
    application = delivery.source.application
    access.require(by, access.MAINTAIN, application=application)
    if not delivery.body:
        return Raw(delivery.headers, "")
    known = secrets_of(application) | {unseal(delivery.source.secret)}
    return Raw(delivery.headers, masked_json(zlib.decompress(delivery.body), known))


def replay(delivery: HookDelivery, *, by: User) -> HookDelivery:
    """The same once more, by the rules of now, with its source's permissions. Raises NothingToReplay, NotAllowed."""
    access.require(by, access.MAINTAIN, application=delivery.source.application)
    if not delivery.body:
        raise NothingToReplay("Its body was not kept: it was not signed, or repeats another. Nothing was changed.")
    if delivery.due_at is not None:
        raise NothingToReplay("It is being worked on already. Nothing was changed.")
    with transaction.atomic():
        again = HookDelivery.objects.create(
            source=delivery.source,
            received_at=timezone.now(),
            address="",
            event=delivery.event,
            name=delivery.name,
            headers=delivery.headers,
            body=delivery.body,
            size=delivery.size,
            of=delivery,
            replayed_by=by.full_name,
            due_at=timezone.now(),
        )
        record("hook.replayed", delivery.source, by, delivery=delivery.pk)
        transaction.on_commit(lambda: live.changed("hooks"))
    doorbell.publish(WORK_HOOK, [again.pk])
    return again
