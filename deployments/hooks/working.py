"""Working on what was taken: claimed by one worker, done again if that one dies, and each target asked by its policy.

Every step may be done twice: checks are written by their own clock, a deploy is asked for once per commit and target.
"""

import json
import logging
import zlib
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.db import DatabaseError, transaction
from django.db.models import F, Q
from django.utils import timezone

from deployments.hooks import kinds, sources
from deployments.hooks.deciding import decide
from deployments.hooks.errors import HookError, Unreadable
from deployments.hooks.saying import Checked, Said
from deployments.models import Check, CheckState, HookDecision, HookDelivery, Word
from environments import repositories
from environments.models import HookSource, Target
from environments.repositories import RefNotFound, RepositoryError
from notifications import live

log = logging.getLogger(__name__)

LOOK_SECONDS = 3.0
CLAIM = timedelta(minutes=5)
REST = timedelta(seconds=2)  # a message is on its way; the sweep is for what no message brings
GIVE_UP = timedelta(hours=24)
LONGEST_REST = timedelta(hours=1)
AT_ONCE = 20


def look() -> None:
    """What nobody rang for, straight on the database."""
    due = HookDelivery.objects.filter(due_at__lte=timezone.now() - REST).order_by("pk")
    for pk in list(due.values_list("pk", flat=True)[:AT_ONCE]):
        work(pk)


def work(delivery_id: int) -> None:
    """Decide about one delivery, unless somebody else does."""
    now = timezone.now()
    due = HookDelivery.objects.filter(pk=delivery_id, due_at__lte=now)
    if not due.update(due_at=now + CLAIM, attempts=F("attempts") + 1):
        return
    delivery = HookDelivery.objects.select_related("source__application", "source__account").get(pk=delivery_id)
    try:
        _work(delivery)
    except (Unreadable, HookError) as error:
        _finish(delivery, Word.FAILED, str(error))
    except RefNotFound as error:
        _finish(delivery, Word.SKIPPED, str(error))
    except RepositoryError as error:
        _again(delivery, str(error))
    except DatabaseError:
        raise
    except Exception as error:
        # what nobody foresaw keeps no other from being worked on, and is given up in the end like all that fails
        log.exception("Delivery %s could not be worked on.", delivery.pk)
        _again(delivery, f"It went wrong here ({type(error).__name__}).")


def _work(delivery: HookDelivery) -> None:
    said = read(delivery)
    application = delivery.source.application
    if not said.revision and not said.refs:
        _finish(delivery, Word.NOTED, said.told)
        return
    if said.revision:
        note_checks(delivery.source, said)
    repositories.fetch(application)
    revision = said.revision or repositories.resolve_known(application, said.refs[0])
    delivery.revision, delivery.ref = revision, (said.refs[0] if said.refs else "")[:200]
    repositories.ensure_revision(application, revision)
    targets = Target.objects.filter(application=application, policy__automatic=True, left_at=None)
    for target in targets.select_related("application", "environment", "policy", "approvers").order_by("pk"):
        decide(delivery, target, said)
    found = list(HookDecision.objects.filter(delivery=delivery).values_list("word", flat=True))
    if not found:
        _finish(delivery, Word.NOTED, f"{said.told} No target of {application} deploys by itself.")
        return
    _finish(delivery, min(found, key=list(Word.values).index), said.told)


def read(delivery: HookDelivery) -> Said:
    """What it says. Raises Unreadable."""
    kind = kinds.find(delivery.source.kind)
    try:
        payload = json.loads(zlib.decompress(delivery.body))
    except (ValueError, RecursionError) as error:
        raise Unreadable(f"It is no JSON: {error}.") from None
    if not isinstance(payload, dict):
        raise Unreadable("It is no JSON object.")
    return kind.read(delivery.event, payload, delivery.source.settings)


def note_checks(source: HookSource, said: Said) -> None:
    """Keep what checks said of the commit; what is older by the sender's own clock changes nothing."""
    now = timezone.now()
    for one in said.checks:
        at = one.at or now
        facts: dict[str, Any] = {"state": one.state, "at": at, "url": one.url, "heard_at": now}
        key = {"application": source.application, "revision": said.revision, "kind": one.kind, "name": one.name[:200]}
        _, made = Check.objects.get_or_create(**key, defaults=facts)
        if not made:
            Check.objects.filter(_earlier(one, at), **key).update(**facts)


def _earlier(one: Checked, at: Any) -> Q:
    """Within the same second an end counts more than a beginning."""
    return Q(at__lt=at) if one.state == CheckState.PENDING else Q(at__lte=at)


def _finish(delivery: HookDelivery, word: str, told: str) -> None:
    with transaction.atomic():
        facts = {"decision": word, "told": told, "due_at": None, "ref": delivery.ref, "revision": delivery.revision}
        HookDelivery.objects.filter(pk=delivery.pk).update(**facts)
        sources.measure(delivery.source, word)
        transaction.on_commit(lambda: live.changed("hooks"))


def _again(delivery: HookDelivery, why: str) -> None:
    """The repository is away: later, and more and more rarely, for a day."""
    now = timezone.now()
    if now - delivery.received_at > GIVE_UP and delivery.attempts > 1:
        _finish(delivery, Word.FAILED, f"{why} It was tried for a day.")
        return
    rest = min(timedelta(seconds=5 * 2 ** min(delivery.attempts, 12)), LONGEST_REST)
    told = f"{why} It is tried again."
    HookDelivery.objects.filter(pk=delivery.pk).update(due_at=now + rest, told=told)
    log.info("Delivery %s waits: %s", delivery.pk, why)


def prune() -> None:
    """Forget what is older than HOOK_KEEP_DAYS, and beyond HOOK_KEEP_MOST of a source."""
    old = timezone.now() - timedelta(days=settings.HOOK_KEEP_DAYS)
    HookDelivery.objects.filter(received_at__lt=old, due_at=None).delete()
    Check.objects.filter(heard_at__lt=old).delete()
    for source_id in HookSource.objects.values_list("pk", flat=True):
        rows = HookDelivery.objects.filter(source=source_id).order_by("-pk").values_list("pk", flat=True)
        for last in list(rows[settings.HOOK_KEEP_MOST : settings.HOOK_KEEP_MOST + 1]):
            HookDelivery.objects.filter(source=source_id, pk__lte=last, due_at=None).delete()
