"""Which commits deploy themselves to a target, and whether one would."""

from typing import Annotated, Any

from django.http import HttpRequest
from ninja import Query, Router

from deployments.api.auth import Needs, caller_of
from deployments.api.hooks_schemas import ExplainedOut, PolicyRules
from deployments.api.paging import Name, Place
from deployments.api.schemas import ProblemOut
from deployments.api.targets import find_target
from deployments.hooks import explaining
from deployments.hooks.judging import first_no
from environments import policies
from environments.access import MAINTAIN, VIEW
from environments.models import Target
from environments.policies import Rules

router = Router(tags=["hooks"])
Ref = Annotated[str, Query(description="A branch, tag or commit; by default the main branch.", max_length=200)]


@router.get(
    "/targets/{application}/{place:environment}/policy",
    auth=Needs(VIEW),
    response=PolicyRules,
    summary="Which commits deploy themselves there",
)
def read_policy(request: HttpRequest, application: Name, environment: Place) -> dict[str, Any]:
    return _rules(find_target(request, application, environment))


@router.put(
    "/targets/{application}/{place:environment}/policy",
    auth=Needs(MAINTAIN),
    response={200: PolicyRules, 400: ProblemOut},
    summary="Set that, all of it",
)
def set_policy(request: HttpRequest, application: Name, environment: Place, payload: PolicyRules) -> dict[str, Any]:
    target = find_target(request, application, environment)
    policies.set_policy(target, policies.rules_from(payload.dict()), by=caller_of(request).user)
    return _rules(target)


@router.get(
    "/targets/{application}/{place:environment}/policy/explain",
    auth=Needs(VIEW),
    response={200: ExplainedOut, 400: ProblemOut, 502: ProblemOut},
    summary="Would this commit deploy itself, and if not, which rule says no?",
)
def explain_policy(request: HttpRequest, application: Name, environment: Place, ref: Ref = "") -> dict[str, Any]:
    target = find_target(request, application, environment)
    found = explaining.explain(target, ref or target.application.default_branch, by=caller_of(request).user)
    no = first_no(found.verdicts)
    return {
        "ref": found.ref,
        "revision": found.revision,
        "would_deploy": found.would,
        "refused_by": no.rule if no else None,
        "rules": [{"rule": one.rule, "ok": one.ok, "told": one.told} for one in found.verdicts],
        "waits_for": [one.sentence for one in found.blockers],
    }


def _rules(target: Target) -> dict[str, Any]:
    found = policies.rules_of(target)
    names = Rules.__dataclass_fields__
    return {name: list(getattr(found, name)) if name in _LISTS else getattr(found, name) for name in names}


_LISTS = frozenset({"refs", "names", "skip_words", "paths"})
