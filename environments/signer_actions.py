"""What a click in Settings → Keys changes about the command that signs the Deployer's key: thin doors onto verbs."""

from collections.abc import Callable

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.views.decorators.http import require_POST

from environments import signing
from environments.access import ADMINISTER, NotAllowed, needs
from environments.models import User


def _person(request: HttpRequest) -> User:
    assert isinstance(request.user, User)
    return request.user


def _do(request: HttpRequest, verb: Callable[[], object], told: str) -> HttpResponse:
    try:
        verb()
    except (signing.SignerError, NotAllowed) as refusal:
        messages.error(request, str(refusal))
    else:
        messages.success(request, told)
    return redirect("settings-keys")


@require_POST
@needs(ADMINISTER)
def set_signer(request: HttpRequest) -> HttpResponse:
    """Name it; it is asked at once, and kept only if it signs."""
    text = request.POST.get("minutes", "").strip()
    minutes = int(text) if text.isascii() and text.isdigit() and len(text) < 7 else 0
    command, principal = request.POST.get("command", ""), request.POST.get("principal", "").strip()
    told = "That command signs the Deployer's key. Logins show its certificate from now on."
    return _do(
        request,
        lambda: signing.set_signer(command, principal=principal, minutes=minutes, by=_person(request)),
        told,
    )


@require_POST
@needs(ADMINISTER)
def renew_signer(request: HttpRequest) -> HttpResponse:
    """Ask it now."""
    return _do(request, lambda: signing.renew(by=_person(request)), "The certificate is renewed.")


@require_POST
@needs(ADMINISTER)
def remove_signer(request: HttpRequest) -> HttpResponse:
    """The key itself is shown from now on, and nothing else."""
    return _do(request, lambda: signing.remove(by=_person(request)), "No command signs the Deployer's key any more.")
