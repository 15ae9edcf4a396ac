"""Approvals: the rule of a target, and what is said of a deploy that waits; its place in the line. Thin doors."""

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.http import require_POST, require_safe

from deployments import lifecycle
from deployments.addresses import of_deploy
from deployments.models import Approval
from deployments.page_actions import REFUSALS, do, person
from deployments.pages import deploy_or_404, target_or_404
from environments import approval_rules
from environments.access import ADMINISTER, REORDER, VIEW, allows, needs
from environments.addresses import of_target
from environments.choices import offer
from environments.models import Team

SHOWN = 50


@require_safe
@needs(VIEW, of_target)
def approvals(request: HttpRequest, application: str, environment: str) -> HttpResponse:
    """How many of whom approve deploys there, and what was said last."""
    target = target_or_404(application=application, environment=environment)
    may = allows(request.user, ADMINISTER, target)
    said = Approval.objects.filter(deploy__target=target).select_related("deploy").order_by("-pk")[:SHOWN]
    teams = offer("teams", person(request)) if may else None
    context = {"target": target, "may_administer": may, "said": list(said), "teams": teams}
    shown = render(request, "deployments/approvals.html", context)
    shown["Cache-Control"] = "no-store"
    return shown


@require_POST
@needs(ADMINISTER, of_target)
def set_approvals(request: HttpRequest, application: str, environment: str) -> HttpResponse:
    """Another rule."""
    target, posted = target_or_404(application=application, environment=environment), request.POST
    team = Team.objects.filter(name=posted.get("team", "")).first()
    try:
        approval_rules.set_approvals(
            target,
            number=_number(posted.get("number", "")),
            team=team,
            hours=_number(posted.get("hours", "")),
            by=person(request),
        )
    except (approval_rules.WrongApprovals, *REFUSALS) as refusal:
        messages.error(request, str(refusal))
    else:
        messages.success(request, f"Who approves deploys to {target.slug} is set.")
    return redirect("approvals", application, environment)


def _number(text: str) -> int:
    """-1 for what is no number, which no rule takes."""
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 6 else -1


@require_POST
@needs(VIEW, of_deploy)
def approve(request: HttpRequest, deploy_id: int) -> HttpResponse:
    """Say that exactly what the page showed may go out."""
    deploy, posted = deploy_or_404(deploy_id), request.POST
    subject, word = posted.get("subject", ""), posted.get("word", "")
    return do(
        request,
        back=reverse("deploy", args=[deploy.pk]),
        verb=lambda: lifecycle.approve(deploy, by=person(request), subject=subject, word=word),
    )


@require_POST
@needs(VIEW, of_deploy)
def refuse(request: HttpRequest, deploy_id: int) -> HttpResponse:
    """Say that it may not, and why."""
    deploy, posted = deploy_or_404(deploy_id), request.POST
    subject, word = posted.get("subject", ""), posted.get("word", "")
    return do(
        request,
        back=reverse("deploy", args=[deploy.pk]),
        verb=lambda: lifecycle.refuse(deploy, by=person(request), subject=subject, word=word),
    )


@require_POST
@needs(REORDER, of_deploy)
def move_to_front(request: HttpRequest, deploy_id: int) -> HttpResponse:
    """Before all others that wait there."""
    deploy = deploy_or_404(deploy_id)
    back = reverse("waiting") if request.POST.get("back") == "waiting" else reverse("deploy", args=[deploy.pk])
    return do(request, back=back, verb=lambda: lifecycle.move_to_front(deploy, by=person(request)))
