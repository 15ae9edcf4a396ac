"""Settings → Host sources as they are read; source_actions holds what changes something."""

from typing import Any

from django.db.models import Count
from django.http import Http404, HttpRequest, HttpResponse
from django.views.decorators.http import require_safe

from environments.access import ADMINISTER, needs
from environments.models import Environment, GivenHost, HostSource, Membership, Zone
from environments.settings_pages import LIFETIMES, PAGE, show
from environments.sources import heartbeats, kinds
from environments.sources.comparing import removal_of
from environments.sources.keeping import Plan
from environments.sources.kinds import heartbeat
from environments.sources.refreshing import Outcome
from notifications.models import Event
from notifications.sentences import tell

MOST_TOLD = 200  # rows of a preview
EVENTS = 10
EVERY = (
    (1, "every minute"),
    (5, "every 5 minutes"),
    (15, "every 15 minutes"),
    (60, "every hour"),
    (1440, "once a day"),
)


def find(name: str) -> HostSource:
    """Raises Http404."""
    found = HostSource.objects.select_related("environment", "zone__region").filter(name=name).first()
    if found is None:
        raise Http404(f"No source {name}.")
    return found


@require_safe
@needs(ADMINISTER)
def sources(request: HttpRequest) -> HttpResponse:
    """All of them, those in trouble first, and the kinds that there are."""
    rows = HostSource.objects.select_related("environment").annotate(number=Count("given"))
    found = sorted(rows, key=lambda row: (not row.trouble, row.name))
    titles = {word: kind.TOLD.title for word, kind in kinds.KINDS.items()}
    told = [(row, titles.get(row.kind, row.kind)) for row in found]
    return show(request, "sources", {"sources": told, "kinds": [kind.TOLD for kind in kinds.KINDS.values()]})


@require_safe
@needs(ADMINISTER)
def source(request: HttpRequest, source: str) -> HttpResponse:
    """One source: whether it is followed, what it names, what happened to it."""
    return show(request, "source", context_of(request, find(source)))


def context_of(request: HttpRequest, row: HostSource) -> dict[str, Any]:
    """What the page of a source shows."""
    given = row.given.select_related("host__zone__region").order_by("host__name")
    after = request.GET.get("after", "")[:63]
    page = list((given.filter(host__name__gt=after) if after else given)[: PAGE + 1])
    number = given.count()
    leaving = set(row.leaving)
    ids = [one.host_id for one in page]
    own = dict(Membership.objects.filter(environment=row.environment, host__in=ids).values_list("host_id", "source"))
    others = _others(row, ids)
    hosts = [
        (one, one.host.name in leaving, own.get(one.host_id, ""), others.get(one.host_id, []), one.host_id in own)
        for one in page[:PAGE]
    ]
    events = Event.objects.filter(kind__startswith="source.", environment=row.environment.name).order_by("-id")[:100]
    mine = [(event, tell(event)) for event in events if event.facts.get("name") == row.name][:EVENTS]
    kind = kinds.KINDS.get(row.kind)
    fields = kind.TOLD.fields if kind else ()
    going = given.filter(host__name__in=row.leaving).values_list("host_id", "host__name") if leaving else ()
    beats = list(row.heartbeats.filter(name__gt=request.GET.get("machines", "")[:63])[: PAGE + 1])
    return {
        "source": row,
        "machines": [(beat, heartbeats.is_silent(beat), heartbeats.is_over(beat)) for beat in beats[:PAGE]],
        "more_machines": beats[PAGE - 1].name if len(beats) > PAGE else "",
        "hears": row.kind == heartbeat.TOLD.word,
        "lifetimes": LIFETIMES,
        "kind": kind.TOLD if kind else None,
        "said": [(field, row.settings[field.name]) for field in fields if row.settings.get(field.name)],
        "removal": removal_of(going),
        "hosts": hosts,
        "number": number,
        "after": page[PAGE - 1].host.name if len(page) > PAGE else "",
        "events": mine,
        "every": dict(EVERY).get(row.every_minutes, f"every {row.every_minutes} minutes"),
    }


def _others(row: HostSource, hosts: list[int]) -> dict[int, list[str]]:
    """Which other sources name these hosts."""
    rows = GivenHost.objects.filter(host__in=hosts).exclude(source=row).order_by("source__name")
    found: dict[int, list[str]] = {}
    for host, name in rows.values_list("host_id", "source__name"):
        found.setdefault(host, []).append(name)
    return found


def form_context(
    plan: Plan, *, of: HostSource | None, outcome: Outcome | None = None, problems: dict[str, str] | None = None
) -> dict[str, Any]:
    """What the page of the form shows; with an outcome, also what saving would do."""
    told = kinds.KINDS[plan.kind].TOLD
    wrong = problems or {}
    typed = {field.name: plan.settings.get(field.name, "") for field in told.fields if field.shape != "secret"}
    fields = [(field, typed.get(field.name, ""), wrong.get(field.name, "")) for field in told.fields]
    zones = Zone.objects.select_related("region").order_by("region__name", "name")
    return {
        "plan": plan,
        "source": of,
        "kind": told,
        "fields": fields,
        "problems": wrong,
        "outcome": outcome,
        "rows": _rows(outcome) if outcome else [],
        "more_rows": max(0, outcome.changes - MOST_TOLD) if outcome else 0,
        "environments": Environment.objects.order_by("position", "name"),
        "zones": [f"{zone.region.name}/{zone.name}" for zone in zones],
        "every": EVERY,
        "has_secret": bool(of and of.secret),
    }


def _rows(outcome: Outcome) -> list[tuple[str, str, str]]:
    """Word, name and what about it; what leaves first, for that is what one must not overlook."""
    difference = outcome.difference
    rows = [("leaves", one.name, f"{one.address}:{one.port}") for one in difference.gone]
    rows += [("changes", one.known.name, "; ".join(one.words)) for one in difference.changed]
    for one in outcome.meant:
        said = one.found
        about = [f"{said.user}@{said.place}", said.zone, ", ".join(said.roles)]
        if said.via:
            about.insert(1, f"via {said.via}")
        word = "joins" if one.host is not None else "added"
        rows.append((word, one.name, " · ".join(filter(None, about))))
    return rows[:MOST_TOLD]


def plan_of(source: HostSource) -> Plan:
    """As it is saved, for the form that changes it."""
    return Plan(
        kind=source.kind,
        settings=source.settings,
        name=source.name,
        environment=source.environment.name,
        user=source.user,
        via=source.via,
        zone=f"{source.zone.region.name}/{source.zone.name}" if source.zone else "",
        share=source.share,
        every_minutes=source.every_minutes,
        before_deploys=source.before_deploys,
        trusted=source.trusted,
    )
