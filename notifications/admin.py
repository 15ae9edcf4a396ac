from django.contrib import admin
from django.http import HttpRequest

from notifications.models import Event


@admin.register(Event)
class EventAdmin(admin.ModelAdmin[Event]):
    """Read only: an audit trail that can be edited is none."""

    list_display = ["id", "at", "kind", "actor", "application", "environment", "deploy"]
    list_filter = ["kind"]
    search_fields = ["actor", "application", "environment"]
    show_full_result_count = False

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Event | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Event | None = None) -> bool:
        return False
