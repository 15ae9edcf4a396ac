"""Settings → Trust: authorities that sign keys of hosts, and hosts whose keys nobody has confirmed, many at once."""

from collections.abc import Sequence
from typing import Any

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.views.decorators.http import require_POST, require_safe

from environments import host_authorities, trusting
from environments.access import ADMINISTER, NotAllowed, needs
from environments.host_keys import HostKeyError
from environments.models import HostAuthority, User
from environments.settings_pages import show
from environments.ssh import authorities, fingerprint
from environments.trusting import Looked

PAGE = 200
REFUSALS = (host_authorities.AuthorityError, trusting.TrustError, HostKeyError, NotAllowed)


def _person(request: HttpRequest) -> User:
    assert isinstance(request.user, User)
    return request.user


@require_safe
@needs(ADMINISTER)
def trust(request: HttpRequest) -> HttpResponse:
    """What is trusted, and what waits for somebody to confirm it."""
    return show(request, "trust", _context(request))


def _context(request: HttpRequest, looked: Sequence[Looked] = (), text: str = "") -> dict[str, Any]:
    after = request.GET.get("after", "")[:63]
    rows = trusting.unconfirmed()
    page = list((rows.filter(name__gt=after) if after else rows)[: PAGE + 1])
    trusted = list(HostAuthority.objects.all()[:PAGE])
    return {
        "authorities": [(row, fingerprint(row.key)) for row in trusted],
        "hosts": [(host, bool(trusted) and authorities.covers(host)) for host in page[:PAGE]],
        "number": rows.count(),
        "after": page[PAGE - 1].name if len(page) > PAGE else "",
        "looked": looked,
        "agreeing": sum(one.verdict == "agrees" for one in looked),
        "text": text,
    }


@require_POST
@needs(ADMINISTER)
def look_at_keys(request: HttpRequest) -> HttpResponse:
    """What the hosts of the page show now, beside what the pasted list says of them. Nothing is accepted."""
    text = request.POST.get("known", "")
    try:
        looked = trusting.look(request.POST.getlist("host"), text=text, by=_person(request))
    except REFUSALS as refusal:
        messages.error(request, str(refusal))
        return redirect("settings-trust")
    return show(request, "trust", _context(request, looked, text))


@require_POST
@needs(ADMINISTER)
def approve_keys(request: HttpRequest) -> HttpResponse:
    """Each `key` is `HOST FINGERPRINT`; they must still be the ones that are shown."""
    pairs = (text.partition(" ") for text in request.POST.getlist("key"))
    try:
        hosts = trusting.approve({name: mark for name, _, mark in pairs}, by=_person(request))
    except REFUSALS as refusal:
        messages.error(request, str(refusal))
    else:
        number = len(hosts)
        told = f"{number} host{' is' if number == 1 else 's are'} trusted by the keys that you have compared."
        messages.success(request, told if hosts else "No host was chosen, so none is trusted.")
    return redirect("settings-trust")


@require_POST
@needs(ADMINISTER)
def trust_authority(request: HttpRequest) -> HttpResponse:
    """Lines with `@cert-authority`."""
    try:
        rows = host_authorities.trust(request.POST.get("lines", ""), by=_person(request))
        messages.success(request, f"Certificates for hosts like {', '.join(row.patterns for row in rows)} are trusted.")
    except REFUSALS as refusal:
        messages.error(request, str(refusal))
    return redirect("settings-trust")


@require_POST
@needs(ADMINISTER)
def distrust_authority(request: HttpRequest, authority_id: int) -> HttpResponse:
    """What it signed counts for nothing any more."""
    found = HostAuthority.objects.filter(pk=authority_id).first()
    if found is None:
        raise Http404("No such authority.")
    try:
        host_authorities.distrust(found, by=_person(request))
        messages.success(request, f"What that authority signed for {found.patterns} counts for nothing any more.")
    except REFUSALS as refusal:
        messages.error(request, str(refusal))
    return redirect("settings-trust")
