"""Taking a delivery: signed or not, once or again, and kept as it came. What it says is read later, by a worker."""

import hashlib
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta

from django.conf import settings
from django.db import IntegrityError, transaction
from django.db.models import F
from django.utils import timezone

from deployments import doorbell
from deployments.hooks import kinds
from deployments.hooks.errors import NoSuchSource, NotSigned, TooMany
from deployments.hooks.sources import measure, record
from deployments.models import HookDelivery, Word
from environments.models import HookSource
from environments.sealed import unseal
from notifications import live

WORK_HOOK = "deployments.tasks.work_hook"
MINUTE = timedelta(minutes=1)
UNSIGNED_PER_MINUTE = 60  # of one address; more leave no trace
ADDRESSES_PER_MINUTE = 60  # without a signature, and with a row of their own
JSON = "application/json"
MOST_HEADER = 200


@dataclass(frozen=True)
class Taken:
    """The row, and whether it is worked on, or is one that came before."""

    delivery: HookDelivery
    new: bool


def find(kind: str, key: str) -> HookSource:
    """Raises NoSuchSource."""
    found = HookSource.objects.select_related("application").filter(key=key, kind=kind).first()
    if found is None or kind not in kinds.KINDS:
        raise NoSuchSource("Nobody sends hooks to this address. Copy it anew from Settings, Hooks.")
    return found


def take(source: HookSource, headers: Mapping[str, str], body: bytes, address: str) -> Taken:
    """Keep it and ask a worker to look. Raises NotSigned, TooMany, CannotOpen; then it is not worked on."""
    kind = kinds.KINDS[source.kind]
    if not kind.is_signed(unseal(source.secret), headers, body, source.settings):
        _refuse(source, address, f"Its signature in {kind.SIGNS_WITH} is not that of this source, or it has none.")
    if headers.get("Content-Type", "").partition(";")[0].strip().lower() != JSON:
        _refuse(source, address, f"It came as something else than {JSON}. Choose that as its content type.")
    if headers.get("Content-Encoding", "identity").lower() != "identity":
        _refuse(source, address, "It came packed, which signatures do not tell. Send it as it is.")
    now = timezone.now()
    recent = HookDelivery.objects.filter(source=source, received_at__gt=now - MINUTE)
    if recent.exclude(decision=Word.UNSIGNED).count() >= settings.HOOK_PER_MINUTE:
        raise TooMany(f"More than {settings.HOOK_PER_MINUTE} deliveries came within a minute. Send it again later.")
    event, name = kind.names(headers)
    row = HookDelivery(
        source=source,
        received_at=now,
        address=address[:45],
        event=event[:100],
        name=name[:100],
        headers={one: headers[one][:MOST_HEADER] for one in kind.HEADERS if one in headers},
        size=len(body),
    )
    taken = _keep(row, body)
    if source.heard_at is None or source.heard_at < now - MINUTE:
        HookSource.objects.filter(pk=source.pk).update(heard_at=now)
    if taken.new:
        doorbell.publish(WORK_HOOK, [taken.delivery.pk])
    return taken


def _keep(row: HookDelivery, body: bytes) -> Taken:
    """Of the same body the first is worked on, however many come at once; the others are noted."""
    row.digest = hashlib.sha256(body).hexdigest()
    first = HookDelivery.objects.filter(source=row.source, digest=row.digest).first()
    if first is None:
        row.body, row.due_at = zlib.compress(body), row.received_at
        try:
            with transaction.atomic():
                row.save()
                transaction.on_commit(lambda: live.changed("hooks"))
            return Taken(row, new=True)
        except IntegrityError:
            first = HookDelivery.objects.get(source=row.source, digest=row.digest)
    row.digest, row.body, row.due_at, row.of = None, b"", None, first
    row.decision, row.told = Word.DUPLICATE, "The same has come before, and is worked on once."
    row.save()
    measure(row.source, Word.DUPLICATE)
    live.changed("hooks")
    return Taken(row, new=False)


def _refuse(source: HookSource, address: str, why: str) -> None:
    """One row and one event for all of an address within a minute, so that nobody fills the trail. Raises NotSigned,
    TooMany."""
    measure(source, Word.UNSIGNED)
    now = timezone.now()
    rows = HookDelivery.objects.filter(source=source, decision=Word.UNSIGNED, received_at__gt=now - MINUTE)
    seen = list(rows.values_list("pk", "address", "times")[: ADDRESSES_PER_MINUTE + 1])
    mine = next(((pk, times) for pk, place, times in seen if place == address[:45]), None)
    if (mine and mine[1] >= UNSIGNED_PER_MINUTE) or (not mine and len(seen) > ADDRESSES_PER_MINUTE):
        raise TooMany("Too many deliveries without a right signature came within a minute. They are not looked at.")
    if mine:
        HookDelivery.objects.filter(pk=mine[0]).update(times=F("times") + 1)
        raise NotSigned(f"{why} It was not read.")
    with transaction.atomic():
        HookDelivery.objects.create(
            source=source, received_at=now, address=address[:45], decision=Word.UNSIGNED, told=f"{why} It was not read."
        )
        record("hook.refused", source, None, reason=why)
        transaction.on_commit(lambda: live.changed("hooks"))
    raise NotSigned(f"{why} It was not read.")
