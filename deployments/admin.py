"""The admin of what was done. It is there to look: verbs write a deploy's status, so nothing here does."""

from django.contrib import admin
from django.db.models import Model
from django.http import HttpRequest

from deployments.models import Deploy, HeldRelease, HostRun, LogChunk, Placement, Program, Release, Standing, Worker
from environments.admin_site import ByRole, ReadOnly


@admin.register(Deploy)
class DeployAdmin(ReadOnly):
    list_display = ["id", "target", "number", "kind", "status", "ref", "revision", "by_name", "requested_at"]
    list_select_related = ["target__application", "target__environment"]
    list_filter = ["status", "kind", "trigger"]
    search_fields = ["=target__application__name", "=ref", "=revision", "=by_name"]
    raw_id_fields = ["target", "of", "release", "by"]


@admin.register(HostRun)
class HostRunAdmin(ReadOnly):
    list_display = ["id", "deploy_id", "host_name", "status", "step", "error_kind", "fence"]
    list_filter = ["status"]
    search_fields = ["=host_name", "=deploy__id"]
    raw_id_fields = ["deploy", "host", "claimed_by"]
    ordering = ["-id"]


@admin.register(Program)
class ProgramAdmin(ReadOnly):
    list_display = ["id", "run_id", "phase", "attempt", "result", "started_at", "ended_at"]
    list_filter = ["phase"]
    search_fields = ["=run__id", "=run__host_name"]
    raw_id_fields = ["run"]
    # The nonce lets a worker speak for a program.
    exclude = ["nonce"]
    ordering = ["-id"]


@admin.register(LogChunk)
class LogChunkAdmin(ReadOnly):
    list_display = ["id", "deploy_id", "host_name", "stream", "first_n", "last_n", "at"]
    search_fields = ["=deploy__id"]
    raw_id_fields = ["deploy", "program"]
    ordering = ["-id"]


@admin.register(Release)
class ReleaseAdmin(ByRole):
    """Only the verdict may be changed: a release marked bad is no silent choice for a rollback."""

    list_display = ["name", "target", "revision", "ref", "bad", "created_at"]
    list_select_related = ["target__application", "target__environment"]
    list_filter = ["bad", "kind"]
    search_fields = ["=name", "=revision"]
    raw_id_fields = ["target"]
    readonly_fields = ["target", "name", "revision", "ref", "kind", "configuration_digest", "created_at"]
    ordering = ["-id"]

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False


@admin.register(Placement)
class PlacementAdmin(ByRole):
    """Ports are set here; what is current is written by deploys only."""

    list_display = ["target", "host", "colour", "port", "current", "switched_at"]
    list_select_related = ["target__application", "target__environment", "host", "current"]
    search_fields = ["=host__name", "=target__application__name"]
    raw_id_fields = ["host", "target"]
    readonly_fields = ["current", "switched_at"]


@admin.register(HeldRelease)
class HeldReleaseAdmin(ReadOnly):
    list_display = ["id", "placement_id", "release"]
    list_select_related = ["release"]
    search_fields = ["=release__name"]
    raw_id_fields = ["placement", "release"]


@admin.register(Standing)
class StandingAdmin(ReadOnly):
    list_display = ["target", "live_id", "latest_id"]
    list_select_related = ["target__application", "target__environment"]
    raw_id_fields = ["target", "latest", "live"]


@admin.register(Worker)
class WorkerAdmin(ReadOnly):
    list_display = ["name", "queue", "started_at"]
