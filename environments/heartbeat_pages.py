"""Machines that say that they are there: what a click on the pages of their source and of their host changes."""

from typing import Any

from django.contrib import messages
from django.core.exceptions import BadRequest
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.views.decorators.http import require_POST

from environments import source_pages
from environments.access import ADMINISTER, NotAllowed, needs
from environments.models import Heartbeat, User
from environments.settings_pages import LIFETIMES, show
from environments.sources import heartbeats
from environments.sources.listing import SourceError


@require_POST
@needs(ADMINISTER)
def make(request: HttpRequest) -> HttpResponse:
    """A token for one machine, shown on the page that answers and never again."""
    days = request.POST.get("days", "")
    if days not in {str(number) for number, _ in LIFETIMES}:
        raise BadRequest("No such lifetime.")
    source = source_pages.find(request.POST.get("source", ""))
    assert isinstance(request.user, User)
    try:
        row, plain = heartbeats.make(source, request.POST.get("host", ""), days=int(days) or None, by=request.user)
    except (SourceError, NotAllowed) as refusal:
        messages.error(request, str(refusal))
        return redirect("settings-source", source.name)
    return show(request, "source", source_pages.context_of(request, source) | _once(request, row, plain))


def _once(request: HttpRequest, row: Heartbeat, plain: str) -> dict[str, Any]:
    address = request.build_absolute_uri(reverse("api:beat"))
    command = f'curl -fsS -m 10 -X POST -H "Authorization: Bearer $(cat /etc/deployer-heartbeat)" {address}'
    return {"plain": plain, "made": row, "command": command}


@require_POST
@needs(ADMINISTER)
def revoke(request: HttpRequest, beat_id: int) -> HttpResponse:
    """From now on its token opens nothing."""
    row = Heartbeat.objects.select_related("source__environment").filter(pk=beat_id).first()
    if row is None:
        raise Http404("No such machine.")
    assert isinstance(request.user, User)
    heartbeats.revoke(row, by=request.user)
    messages.success(request, f"The token of {row.name} opens nothing any more; {row.source.name} no longer names it.")
    return redirect("settings-source", row.source.name)
