"""Django's admin, opened by roles: `is_staff` and Django's own permissions mean nothing here."""

from typing import Any, cast

from django.contrib import admin
from django.core.paginator import Paginator
from django.db.models import Model, QuerySet
from django.http import HttpRequest
from django.utils.functional import cached_property

from environments import access

MOST_PAGED = 10_000


def may_administer(request: HttpRequest) -> bool:
    return access.allows(request.user, access.ADMINISTER)


class BoundedPaginator(Paginator[Any]):
    """Counts no further than MOST_PAGED: counting a log of millions of rows would take longer than anybody waits."""

    @cached_property
    def count(self) -> int:
        rows = cast(QuerySet[Model], self.object_list)
        return rows.order_by()[:MOST_PAGED].count()


class ByRole(admin.ModelAdmin[Any]):
    """Whoever may administer may see, add, change and delete."""

    show_full_result_count = False
    paginator = BoundedPaginator
    list_per_page = 50

    def has_module_permission(self, request: HttpRequest) -> bool:
        return may_administer(request)

    def has_view_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return may_administer(request)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return may_administer(request)

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return may_administer(request)

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return may_administer(request)


class ReadOnly(ByRole):
    """What only verbs write: history that can be edited is none."""

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False


class InlineByRole(admin.options.InlineModelAdmin[Any, Any]):
    """Rows on another model's page, for whoever may administer."""

    def has_view_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return may_administer(request)

    def has_add_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return may_administer(request)

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return may_administer(request)

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return may_administer(request)
