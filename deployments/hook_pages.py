"""The hook inbox. Thin doors onto deployments.hooks.inbox."""

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_POST, require_safe

from deployments.answers import answer, tag_of
from deployments.hooks import inbox
from deployments.hooks.errors import HookError
from deployments.models import HookDelivery, Word
from deployments.page_actions import person
from deployments.page_queries.hooks import read_inbox, read_row
from environments.access import ADMINISTER, MAINTAIN, VIEW, NotAllowed, allows, allows_somewhere, needs
from environments.addresses import anywhere, of_application
from environments.sealed import CannotOpen


@require_safe
@needs(VIEW, anywhere)
def hooks(request: HttpRequest) -> HttpResponse:
    """What came, and what became of it."""
    user, asked = person(request), request.GET
    word = asked.get("word", "") if asked.get("word", "") in Word.values else ""
    before = asked.get("before", "")
    older = int(before) if before.isascii() and before.isdecimal() and len(before) < 19 else 0
    page = read_inbox(user, application=asked.get("application", "")[:63], word=word, before=older)
    maintained = {name for name in page.applications if allows(user, MAINTAIN, application=name)}
    context = {
        "page": page,
        "application": asked.get("application", "")[:63],
        "word": word,
        "words": Word.choices,
        "before": older,
        "maintained": maintained,
        "may_administer": allows_somewhere(user, ADMINISTER),
    }
    tag = tag_of(page, sorted(maintained), word, context["application"])
    return answer(request, "deployments/hooks.html", context, tag=tag)


@require_safe
@needs(MAINTAIN, of_application)
def hook_delivery(request: HttpRequest, name: str, delivery_id: int) -> HttpResponse:
    """One as it came, with its secrets masked."""
    found = _find(name, delivery_id)
    trouble = ""
    raw = inbox.Raw({}, "")
    try:
        raw = inbox.open_raw(found, by=person(request))
    except CannotOpen as error:
        trouble = str(error)
    context = {"row": read_row(person(request), found), "delivery": found, "raw": raw, "trouble": trouble}
    shown = render(request, "deployments/hook_delivery.html", context)
    shown["Cache-Control"] = "no-store"
    return shown


@require_POST
@needs(MAINTAIN, of_application)
def replay_hook(request: HttpRequest, name: str, delivery_id: int) -> HttpResponse:
    """Once more, by the rules of now."""
    found = _find(name, delivery_id)
    try:
        again = inbox.replay(found, by=person(request))
    except (HookError, NotAllowed) as refusal:
        messages.error(request, str(refusal))
        return redirect("hook-delivery", name, found.pk)
    messages.success(request, "It is worked on once more, by the rules of now.")
    return redirect("hook-delivery", name, again.pk)


def _find(name: str, delivery_id: int) -> HookDelivery:
    rows = HookDelivery.objects.select_related("source__application", "of")
    found = rows.filter(source__application__name=name, pk=delivery_id).first()
    if found is None:
        raise Http404(f"No delivery {delivery_id}.")
    return found
