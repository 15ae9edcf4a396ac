"""What there is: applications, environments, hosts."""

from typing import Any

from django.db.models import Prefetch
from django.http import HttpRequest
from ninja import Router

from deployments.api.auth import Needs, caller_of
from deployments.api.paging import Cursor, Name, page
from deployments.api.representation import represent_time
from deployments.api.schemas import ApplicationOut, EnvironmentOut, HostOut, Page
from environments import sight
from environments.access import VIEW
from environments.models import Application, Environment, Host, Membership, Target

router = Router(tags=["inventory"])


@router.get("/applications", auth=Needs(VIEW), response=Page[ApplicationOut], summary="All applications")
def list_applications(request: HttpRequest, cursor: Cursor = "") -> dict[str, Any]:
    user = caller_of(request).user
    targets = Target.objects.filter(sight.of_targets(user), name="").select_related("environment")
    rows = Application.objects.filter(sight.of_applications(user)).prefetch_related(
        Prefetch("targets", targets.order_by("environment__position"))
    )
    return page(rows, key="name", cursor=cursor, represent=_application)


@router.get("/environments", auth=Needs(VIEW), response=Page[EnvironmentOut], summary="All environments")
def list_environments(request: HttpRequest, cursor: Cursor = "") -> dict[str, Any]:
    user = caller_of(request).user
    targets = Target.objects.filter(sight.of_targets(user), name="").select_related("application")
    rows = Environment.objects.filter(sight.of_environments(user)).prefetch_related(
        Prefetch("targets", targets.order_by("application__name"))
    )
    return page(rows, key="name", cursor=cursor, represent=_environment)


@router.get("/hosts", auth=Needs(VIEW), response=Page[HostOut], summary="Hosts, where they stand and what they are for")
def list_hosts(
    request: HttpRequest,
    environment: Name | None = None,
    region: Name | None = None,
    zone: Name | None = None,
    cursor: Cursor = "",
) -> dict[str, Any]:
    user = caller_of(request).user
    memberships = Membership.objects.filter(sight.of_memberships(user)).select_related("environment")
    memberships = memberships.order_by("environment__position")
    rows = (
        Host.objects.filter(sight.of_hosts(user))
        .select_related("zone__region")
        .prefetch_related(Prefetch("memberships", memberships))
    )
    if environment:
        place = Environment.objects.filter(sight.of_environments(user), name=environment)
        rows = rows.filter(memberships__environment__in=place)
    wanted = {"zone__region__name": region, "zone__name": zone}
    rows = rows.filter(**{field: value for field, value in wanted.items() if value})
    return page(rows, key="name", cursor=cursor, represent=_host)


def _application(row: Application) -> dict[str, Any]:
    return {
        "name": row.name,
        "repository": row.repository,
        "default_branch": row.default_branch,
        "distribution": row.distribution,
        "environments": [target.environment.name for target in row.targets.all()],
    }


def _environment(row: Environment) -> dict[str, Any]:
    applications = [target.application.name for target in row.targets.all()]
    return {"name": row.name, "position": row.position, "applications": applications}


def _host(row: Host) -> dict[str, Any]:
    return {
        "name": row.name,
        "address": row.address,
        "port": row.port,
        "transport": row.transport,
        "region": row.zone.region.name if row.zone else "",
        "zone": row.zone.name if row.zone else "",
        "aside": row.aside,
        "aside_why": row.aside_why,
        "observed": row.observed,
        "note": row.note,
        "note_by": row.note_by,
        "note_at": represent_time(row.note_at),
        "environments": [
            {"name": row.environment.name, "roles": row.roles, "labels": row.labels} for row in row.memberships.all()
        ],
    }
