"""What a click changes: thin doors onto the verbs of lifecycle. Only by POST, with the CSRF token."""

from collections.abc import Callable
from datetime import UTC, datetime

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import redirect
from django.urls import reverse
from django.views.decorators.http import require_POST

from deployments import lifecycle, stars
from deployments.addresses import of_deploy
from deployments.blockers import Blocked
from deployments.models import Deploy, Trigger
from deployments.pages import deploy_or_404, target_or_404
from deployments.refusals import WrongTime
from environments import endpoints, locks, repositories
from environments.access import DEPLOY, VIEW, NotAllowed, needs
from environments.addresses import of_target
from environments.models import Target, User
from environments.preset import PresetError

REFUSALS = (
    *(lifecycle.LifecycleError, locks.LockError, Blocked, NotAllowed, repositories.RepositoryError, PresetError),
    endpoints.EndpointError,
)


def do(request: HttpRequest, *, back: str, verb: Callable[[], Deploy | None]) -> HttpResponseRedirect:
    """Run a verb and go to the deploy that it made; a refusal becomes a message on the page that one came from."""
    try:
        made = verb()
    except REFUSALS as refusal:
        messages.error(request, str(refusal))
        return redirect(back)
    return redirect("deploy", made.pk) if made else redirect(back)


def person(request: HttpRequest) -> User:
    assert isinstance(request.user, User)
    return request.user


def page_of(target: Target) -> str:
    """Where it is shown."""
    return reverse("target", args=[target.application.name, target.place])


def _back_from(request: HttpRequest, deploy: Deploy) -> str:
    """The page that the button stood on."""
    return reverse("waiting") if request.POST.get("back") == "waiting" else reverse("deploy", args=[deploy.pk])


class RefMoved(repositories.RepositoryError):
    """The branch points elsewhere than it did on the page that was confirmed."""


def _start(request: HttpRequest, target: Target, ref: str) -> Deploy:
    """Deploy exactly what the page showed, or refuse: a branch may have moved since."""
    shown = request.POST.get("revision", "")
    if shown and (now := repositories.resolve(target.application, ref)) != shown:
        raise RefMoved(
            f"{ref} moved from {shown[:7]} to {now[:7]} since this page was opened. "
            "Nothing was deployed; look at the commits again."
        )
    return lifecycle.request_deploy(
        target=target,
        ref=ref,
        by=person(request),
        trigger=Trigger.PAGE,
        wait=request.POST.get("wait") == "yes",
        hold=request.POST.get("when") in ("held", "later"),
        flip_at=_read_time(request.POST.get("flip_at", "")) if request.POST.get("when") == "later" else None,
        hosts=request.POST.getlist("host") if request.POST.get("to") == "some" else None,
        said=said(request),
    )


def said(request: HttpRequest) -> lifecycle.Passing:
    """What passes a warning or a lock, in the fields that pages have for it."""
    over, override = request.POST.get("over", "").strip(), request.POST.get("override", "").strip()
    return lifecycle.Passing(confirmed=request.POST.get("confirm") == "yes", over=over, override=override)


def _read_time(text: str) -> datetime:
    """A time as the browser's field gives it, which is in UTC, or with its zone. Raises WrongTime."""
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        raise WrongTime(f"{text!r} is no time at which it could go live. Nothing was deployed.") from None
    return at if at.tzinfo else at.replace(tzinfo=UTC)


@require_POST
@needs(DEPLOY, of_target)
def start(request: HttpRequest, application: str, environment: str) -> HttpResponse:
    """Deploy the chosen branch, tag or commit."""
    target = target_or_404(application=application, environment=environment)
    ref = request.POST.get("ref", "").strip() or target.application.default_branch
    back = reverse("new-deploy", args=[application, environment])
    return do(request, back=back, verb=lambda: _start(request, target, ref))


@require_POST
@needs(DEPLOY, of_deploy)
def cancel(request: HttpRequest, deploy_id: int) -> HttpResponse:
    """Stop a deploy."""
    deploy = deploy_or_404(deploy_id)
    back = _back_from(request, deploy)
    return do(request, back=back, verb=lambda: lifecycle.request_cancel(deploy, by=person(request)))


@require_POST
@needs(DEPLOY, of_deploy)
def retry(request: HttpRequest, deploy_id: int) -> HttpResponse:
    """The same release once more, on the hosts that did not make it."""
    deploy = deploy_or_404(deploy_id)
    back = reverse("deploy", args=[deploy.pk])
    return do(request, back=back, verb=lambda: lifecycle.retry(deploy, by=person(request), said=said(request)))


@require_POST
@needs(DEPLOY, of_deploy)
def roll_back(request: HttpRequest, deploy_id: int) -> HttpResponse:
    """Make the release of this (earlier) deploy live again."""
    deploy = deploy_or_404(deploy_id)
    back = page_of(deploy.target)
    stop = request.POST.get("stop") == "yes"
    words = said(request)
    if words.over or words.override or words.confirmed:
        back = reverse("rollback-preview", args=[deploy.pk])

    def verb() -> Deploy:
        return lifecycle.roll_back(deploy.target, to=deploy, by=person(request), stop=stop, said=words)

    return do(request, back=back, verb=verb)


@require_POST
@needs(DEPLOY, of_target)
def converge(request: HttpRequest, application: str, environment: str) -> HttpResponse:
    """What is live, to just the hosts that do not run it."""
    target = target_or_404(application=application, environment=environment)
    return do(
        request, back=page_of(target), verb=lambda: lifecycle.converge(target, by=person(request), said=said(request))
    )


@require_POST
@needs(DEPLOY, of_deploy)
def flip(request: HttpRequest, deploy_id: int) -> HttpResponse:
    """Let a held deploy go live."""
    deploy = deploy_or_404(deploy_id)
    back = _back_from(request, deploy)
    return do(
        request, back=back, verb=lambda: lifecycle.flip(deploy, by=person(request), confirm=said(request).confirmed)
    )


@require_POST
@needs(DEPLOY, of_deploy)
def redeploy(request: HttpRequest, deploy_id: int) -> HttpResponse:
    """The revision of this deploy once more, laid out anew."""
    deploy = deploy_or_404(deploy_id)

    def again() -> Deploy:
        return lifecycle.request_deploy(
            target=deploy.target, ref=deploy.revision, by=person(request), trigger=Trigger.PAGE
        )

    return do(request, back=page_of(deploy.target), verb=again)


@require_POST
@needs(VIEW, of_target)
def star(request: HttpRequest, application: str, environment: str) -> HttpResponse:
    """See this target first, or no longer: as the form says."""
    target = target_or_404(application=application, environment=environment)
    act = stars.star if request.POST.get("star") == "yes" else stars.unstar
    act(target, by=person(request))
    return redirect(page_of(target))
