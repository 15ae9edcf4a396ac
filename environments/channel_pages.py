"""Settings → Channels: where announcements go. Thin doors onto environments.channels."""

from typing import Any

from django.contrib import messages
from django.db.models import Count, Q
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from environments.access import ADMINISTER, NotAllowed, needs
from environments.channels import keeping
from environments.channels.errors import ChannelError, ChannelTaken, ChannelWrong
from environments.channels.keeping import Plan
from environments.channels.routing import Routing
from environments.clicks import act, who
from environments.models import Application, Environment
from environments.sealed import CannotOpen
from environments.settings_pages import PAGE, show
from notifications.announcements import KINDS, OUTCOMES, WORDS, example
from notifications.channels import kinds
from notifications.models import Channel, Delivery

MOST_NAMES = 500
_REFUSALS = (ChannelError, NotAllowed, CannotOpen)
_LISTS = ("applications", "environments", "kinds", "outcomes")


def _find(name: str) -> Channel:
    found = Channel.objects.filter(name=name).first()
    if found is None:
        raise Http404(f"No channel {name}.")
    return found


@require_safe
@needs(ADMINISTER)
def channels(request: HttpRequest) -> HttpResponse:
    """All of them, those in trouble first, and the kinds that there are."""
    waiting = Count("deliveries", filter=Q(deliveries__state=Delivery.State.WAITING))
    rows = sorted(Channel.objects.annotate(waiting=waiting), key=lambda row: (not row.trouble, row.name))
    titles = {word: kind.TOLD.title for word, kind in kinds.KINDS.items()}
    told = [(row, titles.get(row.kind, row.kind), _where(row)) for row in rows]
    return show(request, "channels", {"channels": told, "kinds": [kind.TOLD for kind in kinds.KINDS.values()]})


def _where(row: Channel) -> str:
    """What goes there, in a few words."""
    parts = [", ".join(names) for names in (row.applications, row.environments) if names]
    parts += [", ".join(known.get(one, one).lower() for one in names)
              for names, known in ((row.kinds, KINDS), (row.outcomes, OUTCOMES)) if names]  # fmt: skip
    return " · ".join(parts) or "everything"


@require_safe
@needs(ADMINISTER)
def deliveries(request: HttpRequest, channel: str) -> HttpResponse:
    """What was sent to one channel, what waits, and what it said to that."""
    found = _find(channel)
    before = request.GET.get("before", "")
    rows = found.deliveries.select_related("event").order_by("-pk")
    if before.isascii() and before.isdigit() and len(before) < 19:
        rows = rows.filter(pk__lt=int(before))
    page = list(rows[: PAGE + 1])
    more = page[PAGE - 1].pk if len(page) > PAGE else ""
    return show(request, "deliveries", {"channel": found, "deliveries": page[:PAGE], "before": more})


@sensitive_post_parameters("secret")
@require_http_methods(["GET", "HEAD", "POST"])
@needs(ADMINISTER)
def add(request: HttpRequest) -> HttpResponse:
    """A new one of a kind."""
    word = request.POST.get("kind", "") or request.GET.get("kind", "slack-hook")
    if word not in kinds.KINDS:
        raise Http404(f"No kind {word}.")
    if request.method != "POST":
        return _form(request, Plan(word))
    plan = _plan(request, word, None)
    if request.POST.get("act") == "look":
        return _form(request, plan)
    try:
        saved = keeping.add(plan, by=who(request))
    except (ChannelWrong, ChannelTaken) as error:
        return _form(request, plan, error=error)
    messages.success(request, f"{saved.name} is set up. Send a test, to see whether it arrives.")
    return redirect("change-channel", saved.name)


@sensitive_post_parameters("secret")
@require_http_methods(["GET", "HEAD", "POST"])
@needs(ADMINISTER)
def change(request: HttpRequest, channel: str) -> HttpResponse:
    """One channel: how it is, what goes there, and in which words."""
    found = _find(channel)
    if found.kind not in kinds.KINDS:
        raise Http404(f"No kind {found.kind}.")
    if request.method != "POST":
        said = Routing(**{name: getattr(found, name) for name in _LISTS}, templates=found.templates)
        return _form(request, Plan(found.kind, found.name, found.settings, routing=said), of=found)
    plan = _plan(request, found.kind, found)
    if request.POST.get("act") == "look":
        return _form(request, plan, of=found)
    try:
        keeping.change(found, plan, by=who(request))
    except (ChannelWrong, CannotOpen) as error:
        return _form(request, plan, of=found, error=error)
    messages.success(request, f"{found.name} is saved. What happens from now on goes there so.")
    return redirect("change-channel", found.name)


@require_POST
@needs(ADMINISTER)
def try_out(request: HttpRequest, channel: str) -> HttpResponse:
    """Send a test now, and tell what became of it."""
    found = _find(channel)
    told = f"A test went to {found.name}. Look there whether it can be read."
    return act(request, _page(found), lambda: keeping.try_out(found, by=who(request)), told, refusals=_REFUSALS)


@require_POST
@needs(ADMINISTER)
def resume(request: HttpRequest, channel: str) -> HttpResponse:
    """Send there again."""
    found = _find(channel)
    told = f"Announcements go to {found.name} again."
    return act(request, _page(found), lambda: keeping.resume(found, by=who(request)), told, refusals=_REFUSALS)


@require_POST
@needs(ADMINISTER)
def remove(request: HttpRequest, channel: str) -> HttpResponse:
    """Nothing goes there any more."""
    found = _find(channel)
    told = f"{channel} is removed. Nothing is announced there any more."
    return act(request, "settings-channels", lambda: keeping.remove(found, by=who(request)), told, refusals=_REFUSALS)


def _page(channel: Channel) -> str:
    return f"/settings/channels/of/{channel.name}"


def _plan(request: HttpRequest, word: str, of: Channel | None) -> Plan:
    """What was typed; an empty field of the credential keeps the one that is stored."""
    said = request.POST
    fields = kinds.KINDS[word].TOLD.fields
    secret = said.get("secret", "")
    lists = {name: said.getlist(name) for name in _LISTS}
    texts = {key: said.get(f"text-{key}", "") for key in WORDS}
    return Plan(
        kind=word,
        name=of.name if of else said.get("name", "").strip(),
        settings={field.name: said.get(field.name, "") for field in fields if field.shape != "secret"},
        secret=secret if secret or of is None else None,
        routing=Routing(**lists, templates={key: text for key, text in texts.items() if text.strip()}),
    )


def _form(
    request: HttpRequest, plan: Plan, *, of: Channel | None = None, error: Exception | None = None
) -> HttpResponse:
    told = kinds.KINDS[plan.kind].TOLD
    problems = error.problems if isinstance(error, ChannelWrong) else {"": str(error)} if error else {}
    problems = problems or keeping.problems_of(plan.routing)
    context: dict[str, Any] = {
        "plan": plan,
        "channel": of,
        "kind": told,
        "fields": [(field, plan.settings.get(field.name, ""), problems.get(field.name, "")) for field in told.fields],
        "problems": problems,
        "choices": _choices(plan.routing, problems),
        "texts": _texts(plan.routing, problems),
    }
    return show(request, "channel_form", context, status=422 if error else 200)


def _choices(said: Routing, problems: dict[str, str]) -> list[tuple[str, str, list[tuple[str, str, bool]], str]]:
    """Each list to choose from: its name, its title, words with their titles and whether they are chosen, and what is
    wrong."""
    applications = Application.objects.order_by("name").values_list("name", flat=True)[:MOST_NAMES]
    places = Environment.objects.order_by("position", "name").values_list("name", flat=True)[:MOST_NAMES]
    lists = (
        ("applications", "Applications", {name: name for name in applications}),
        ("environments", "Environments", {name: name for name in places}),
        ("kinds", "What", KINDS),
        ("outcomes", "Of deploys and rollbacks", {word: title.capitalize() for word, title in OUTCOMES.items()}),
    )
    return [
        (name, title, [(word, label, word in getattr(said, name)) for word, label in known.items()],
         problems.get(name, ""))
        for name, title, known in lists
    ]  # fmt: skip


def _texts(said: Routing, problems: dict[str, str]) -> list[dict[str, Any]]:
    """Each announcement with its own text, the Deployer's, and how it reads."""
    found = []
    for word in WORDS.values():
        problem = problems.get(f"templates.{word.key}", "")
        own = said.templates.get(word.key, "")
        shown = "" if problem else example(word, base="").text(said.templates)
        found.append({"word": word, "own": own, "shown": shown, "problem": problem})
    return found
