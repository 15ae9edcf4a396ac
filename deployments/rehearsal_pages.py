"""The page of a dry run."""

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_safe

from deployments import rehearsal
from deployments.archives import ArchiveFailed
from deployments.page_actions import REFUSALS, person
from deployments.pages import target_or_404
from environments.access import DEPLOY, needs
from environments.addresses import of_target


@require_safe
@needs(DEPLOY, of_target)
def rehearse(request: HttpRequest, application: str, environment: str) -> HttpResponse:
    """What a deploy would do: the files that change, and one host's programs in full."""
    target = target_or_404(application=application, environment=environment)
    ref = request.GET.get("ref", "").strip() or target.application.default_branch
    try:
        seen = rehearsal.rehearse(target, ref, by=person(request))
    except (*REFUSALS, ArchiveFailed) as refusal:
        messages.error(request, str(refusal))
        return redirect("new-deploy", application, environment)
    names = [host.host for host in seen.hosts]
    wanted = request.GET.get("host", "")
    shown = seen.hosts[names.index(wanted) if wanted in names else 0] if seen.hosts else None
    return render(request, "deployments/rehearsal.html", {"target": target, "seen": seen, "shown": shown, "ref": ref})
