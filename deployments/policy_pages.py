"""The policy of a target: its rules, and what they say of a commit. Thin doors."""

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_POST, require_safe

from deployments.hooks import explaining
from deployments.page_actions import person
from deployments.pages import target_or_404
from environments import policies
from environments.access import MAINTAIN, VIEW, NotAllowed, allows, needs
from environments.addresses import of_target
from environments.models import Asked, Target
from environments.policies import Rules, WrongPolicy
from environments.repositories import RepositoryError


@require_safe
@needs(VIEW, of_target)
def policy(request: HttpRequest, application: str, environment: str) -> HttpResponse:
    """Which commits deploy themselves; with `?ref=`: whether that one would."""
    target = target_or_404(application=application, environment=environment)
    return _page(request, target, policies.rules_of(target))


@require_POST
@needs(MAINTAIN, of_target)
def set_policy(request: HttpRequest, application: str, environment: str) -> HttpResponse:
    """Other rules."""
    target, said = target_or_404(application=application, environment=environment), request.POST
    rules = Rules(
        automatic=said.get("automatic") == "yes",
        refs=_words(said.get("refs", "")),
        checks=said.get("checks", ""),
        names=_lines(said.get("names", "")),
        contains_live=said.get("contains_live") == "yes",
        contains_main=said.get("contains_main") == "yes",
        skip_words=_lines(said.get("skip_words", "")),
        paths=_words(said.get("paths", "")),
    )
    try:
        policies.set_policy(target, rules, by=person(request))
    except WrongPolicy as error:
        return _page(request, target, rules, problems=error.problems, status=422)
    except NotAllowed as refusal:
        messages.error(request, str(refusal))
    else:
        messages.success(request, f"The policy of {target.slug} is set: {policies.tell(rules)}.")
    return redirect("policy", application, environment)


def _words(text: str) -> tuple[str, ...]:
    return tuple(text.replace(",", " ").split())


def _lines(text: str) -> tuple[str, ...]:
    return tuple(line.strip() for line in text.splitlines() if line.strip())


def _page(
    request: HttpRequest, target: Target, rules: Rules, *, problems: dict[str, str] | None = None, status: int = 200
) -> HttpResponse:
    ref, explained, trouble = request.GET.get("ref", "").strip()[:200], None, ""
    if ref:
        try:
            explained = explaining.explain(target, ref, by=person(request))
        except RepositoryError as error:
            trouble = str(error)
    context = {
        "target": target,
        "rules": rules,
        "told": policies.tell(policies.rules_of(target) if problems else rules),
        "asked": Asked.choices,
        "problems": problems or {},
        "may_maintain": allows(request.user, MAINTAIN, target),
        "ref": ref,
        "explained": explained,
        "trouble": trouble,
    }
    shown = render(request, "deployments/policy.html", context, status=status)
    shown["Cache-Control"] = "no-store"
    return shown
