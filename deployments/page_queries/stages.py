"""The environments of an application in their order, as stations of a change on its way to production."""

from collections.abc import Sequence
from dataclasses import dataclass

from django.db.models import Q, QuerySet

from deployments.distances import key_of
from deployments.models import Deploy
from deployments.page_queries.matrix import Gap
from deployments.page_queries.words import PREPARED, Mark, mark_of_deploy
from deployments.states import DeployStatus
from deployments.untold import APPLICATION, DEPLOY, untold
from environments import sight
from environments.models import Application, Target, User


@dataclass(slots=True)
class Stage:
    """One of them. `gap`: how it differs from the one before, if anybody knows; `brings`: a promotion to it would."""

    target: Target
    live: Deploy | None
    latest: Deploy | None
    mark: Mark | None
    current: bool
    gap: Gap | None
    brings: Deploy | None = None


_UNTOLD = untold("standing__live", DEPLOY) + untold("standing__latest", DEPLOY) + untold("application", APPLICATION)


def targets_in_order(beside: str = "") -> QuerySet[Target]:
    """All targets as stages need them: in the order of their environments, with what their standings point to.

    `beside`: with the endpoints that are there in the environment of that name, each behind its target.
    """
    own = Q(name="")
    wanted = own | Q(environment__name=beside, endpoint__isnull=False, endpoint__gone_at=None) if beside else own
    found = Target.objects.filter(wanted).select_related("application", "environment__endpoint_offer")
    found = found.select_related("standing__live", "standing__latest").defer(*_UNTOLD)
    return found.order_by("environment__position", "environment__name", "name")


def read_stages(
    application: Application,
    *,
    current: Target | None = None,
    user: User | None = None,
    targets: Sequence[Target] | None = None,
) -> list[Stage]:
    """One query, unless `targets` are here already. Of `user`: those that this person may view."""
    if targets is None:
        targets = list(targets_in_order().filter(sight.of_targets(user), application=application))
    found: list[Stage] = []
    before: Deploy | None = None
    for target in targets:
        standing = getattr(target, "standing", None)
        live, latest = (standing.live, standing.latest) if standing else (None, None)
        loud = latest is not None and latest.status not in (DeployStatus.SUCCEEDED, DeployStatus.CANCELLED)
        mark = mark_of(latest) if latest is not None and loud else None
        stage = Stage(target, live, latest, mark, current is not None and target.pk == current.pk, None)
        if before is not None:
            stage.gap = _gap_of(target, live, before)
            stage.brings = before if live is None or live.revision != before.revision else None
        found.append(stage)
        before = live or before
    return found


def mark_of(deploy: Deploy) -> Mark:
    """Of its status; a held deploy that could go live is prepared."""
    return PREPARED if deploy.rests else mark_of_deploy(deploy.status)


def _gap_of(target: Target, live: Deploy | None, before: Deploy) -> Gap | None:
    if live is None:
        return None
    if live.revision == before.revision:
        return Gap(same=True)
    standing = target.standing
    if standing.compared != key_of(live.revision, before.revision) or not (standing.behind or standing.ahead):
        return None
    return Gap(behind=standing.behind or 0, ahead=standing.ahead or 0)
