"""The endpoints beside a target, as its page lists them."""

from dataclasses import dataclass

from deployments.models import Deploy
from deployments.page_queries.stages import mark_of
from deployments.page_queries.words import Mark
from deployments.states import DeployStatus
from environments.models import Endpoint, EndpointOffer, Target


@dataclass(slots=True)
class Beside:
    """An endpoint; `mark` and `latest` only where its last deploy is no plain success."""

    endpoint: Endpoint
    live: Deploy | None
    latest: Deploy | None
    mark: Mark | None


def offer_at(target: Target) -> EndpointOffer | None:
    """What may be made there; nothing of an endpoint, or of what a command deploys. No query for who selects it."""
    offer: EndpointOffer | None = getattr(target.environment, "endpoint_offer", None)
    return None if target.name or target.command or target.left_at else offer


def tell_endpoint(target: Target) -> Beside:
    """One of those beside a target, read with its standing."""
    standing = getattr(target, "standing", None)
    live, latest = (standing.live, standing.latest) if standing else (None, None)
    mark = mark_of(latest) if latest is not None and latest.status != DeployStatus.SUCCEEDED else None
    return Beside(target.endpoint, live, latest, mark)
