"""What a click in Settings → Host sources changes: thin doors onto verbs."""

from collections.abc import Callable

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods, require_POST

from environments import source_pages
from environments.access import ADMINISTER, NotAllowed, needs
from environments.models import HostSource, User
from environments.settings_pages import show
from environments.sources import keeping, kinds, refreshing
from environments.sources.keeping import Plan
from environments.sources.listing import SettingsWrong, SourceError
from environments.sources.refreshing import Outcome


def _person(request: HttpRequest) -> User:
    assert isinstance(request.user, User)
    return request.user


@sensitive_post_parameters("secret")
@require_http_methods(["GET", "HEAD", "POST"])
@needs(ADMINISTER)
def add(request: HttpRequest) -> HttpResponse:
    """A new one of a kind: first look, then save."""
    word = request.POST.get("kind", "") or request.GET.get("kind", "lines")
    if word not in kinds.KINDS:
        raise Http404(f"No kind {word}.")
    if request.method != "POST":
        plan = Plan(kind=word, settings={}, environment=request.GET.get("environment", "")[:63])
        return show(request, "source_form", source_pages.form_context(plan, of=None))
    plan = _plan(request, word, None)

    def save() -> tuple[HostSource, Outcome]:
        return keeping.add(plan, by=_person(request))

    return _look_or_save(request, plan, None, save)


@sensitive_post_parameters("secret")
@require_http_methods(["GET", "HEAD", "POST"])
@needs(ADMINISTER)
def change(request: HttpRequest, source: str) -> HttpResponse:
    """Another list, another address, another rhythm: first look, then save."""
    found = source_pages.find(source)
    if found.kind not in kinds.KINDS:
        raise Http404(f"No kind {found.kind}.")
    if request.method != "POST":
        return show(request, "source_form", source_pages.form_context(source_pages.plan_of(found), of=found))
    plan = _plan(request, found.kind, found)

    def save() -> tuple[HostSource, Outcome]:
        return found, keeping.change(found, plan, accept=request.POST.get("removal", ""), by=_person(request))

    return _look_or_save(request, plan, found, save)


def _look_or_save(
    request: HttpRequest, plan: Plan, of: HostSource | None, save: Callable[[], tuple[HostSource, Outcome]]
) -> HttpResponse:
    """Whoever has not seen what it would do is shown that first; nothing is saved by looking."""
    problems: dict[str, str] = {}
    try:
        if request.POST.get("act") == "save":
            saved, outcome = save()
            messages.success(request, _tell(saved, outcome))
            return redirect("settings-source", saved.name)
        outcome = keeping.preview(plan, of=of, by=_person(request))
        context = source_pages.form_context(plan, of=of, outcome=outcome)
        return show(request, "source_form", context)
    except SettingsWrong as wrong:
        problems = wrong.problems
    except SourceError as refusal:
        problems = {"": str(refusal)}
    context = source_pages.form_context(plan, of=of, problems=problems)
    return show(request, "source_form", context, status=422)


def _tell(source: HostSource, outcome: Outcome) -> str:
    if outcome.kept:
        return f"{source.name} is saved. {outcome.kept}"
    return f"{source.name} is saved and followed: {_count(outcome)}."


def _count(outcome: Outcome) -> str:
    gone = 0 if outcome.kept else len(outcome.difference.gone)
    words = ((len(outcome.meant), "added"), (len(outcome.difference.changed), "changed"), (gone, "left"))
    return ", ".join(f"{number} {word}" for number, word in words if number) or "nothing to change"


def _plan(request: HttpRequest, word: str, of: HostSource | None) -> Plan:
    """What was typed; an empty field of the secret keeps the one that is stored."""
    said = request.POST
    fields = kinds.KINDS[word].TOLD.fields
    secret = said.get("secret", "")
    forget = said.get("forget_secret") == "yes"
    return Plan(
        kind=word,
        settings={field.name: said.get(field.name, "") for field in fields if field.shape != "secret"},
        name=of.name if of else said.get("name", "").strip(),
        environment=of.environment.name if of else said.get("environment", ""),
        secret=secret if secret or forget or of is None else None,
        user=said.get("user", "").strip(),
        via=said.get("via", "").strip(),
        zone=said.get("zone", ""),
        share=_number(said.get("share", "")),
        every_minutes=_number(said.get("every_minutes", "")),
        before_deploys=said.get("before_deploys") == "yes",
        trusted=said.get("trusted") == "yes",
    )


def _number(text: str) -> int:
    """-1, which no field takes, for what is no number."""
    return int(text) if text.isascii() and text.isdigit() and len(text) < 7 else -1


def _act(request: HttpRequest, name: str, verb: Callable[[], str], to: str = "settings-source") -> HttpResponse:
    """Run what changes something and tell what it says of it, or why it was not done."""
    try:
        messages.success(request, verb())
    except (SourceError, NotAllowed) as refusal:
        messages.error(request, str(refusal))
        return redirect("settings-source", name)
    return redirect(to, name) if to == "settings-source" else redirect(to)


@require_POST
@needs(ADMINISTER)
def refresh(request: HttpRequest, source: str) -> HttpResponse:
    """Read it now."""
    found = source_pages.find(source)

    def verb() -> str:
        outcome = refreshing.refresh(found, by=_person(request))
        return f"{found.name} was read: {_count(outcome)}." + (f" {outcome.kept}" if outcome.kept else "")

    return _act(request, found.name, verb)


@require_POST
@needs(ADMINISTER)
def accept(request: HttpRequest, source: str) -> HttpResponse:
    """Let those leave that were shown, and no others."""
    found = source_pages.find(source)

    def verb() -> str:
        outcome = refreshing.accept(found, request.POST.get("removal", ""), by=_person(request))
        number = len(outcome.difference.gone)
        return (
            f"{number} host{'' if number == 1 else 's'} left {found.environment.name}. What runs there goes on running."
        )

    return _act(request, found.name, verb)


@require_POST
@needs(ADMINISTER)
def remove(request: HttpRequest, source: str) -> HttpResponse:
    """Read it no more; its hosts stay, or leave with it."""
    found = source_pages.find(source)
    leave = request.POST.get("hosts") == "leave"

    def verb() -> str:
        keeping.remove(found, by=_person(request), hosts=leave)
        return f"{source} is removed. " + ("Its hosts left with it." if leave else "Its hosts stay, as if typed in.")

    return _act(request, found.name, verb, to="settings-sources")
