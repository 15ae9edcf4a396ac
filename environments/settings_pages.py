"""Settings: the pages that are read; setting_actions holds what changes something."""

from typing import Any

from django.db.models import Count, F, Q
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.utils import timezone
from django.views.decorators.http import require_safe

from environments import mail, preset_docs, second_factors, signing, tries
from environments.access import ADMINISTER, SIGNED_IN, VIEW, allows, allows_somewhere, needs
from environments.addresses import anywhere
from environments.choices import offer
from environments.keys import active_key_pair
from environments.models import Environment, GitHostKey, Identity, KeyPair, Region, Role, Token, User, Zone

PAGE = 100
SCOPES = (
    ("read", "Look"),
    ("deploy", "Deploy"),
    ("lock", "Lock"),
    ("admin", "All that its person may"),
)
LIFETIMES = ((30, "30 days"), (90, "90 days"), (365, "a year"), (0, "until it is revoked"))


def show(request: HttpRequest, name: str, context: dict[str, Any], *, status: int = 200) -> HttpResponse:
    """A page of the settings, with its place in their navigation. Never kept by a browser or a proxy."""
    template = f"environments/settings_{name}.html"
    may = {
        "may_administer": allows(request.user, ADMINISTER),
        "may_give": allows_somewhere(request.user, ADMINISTER),  # whoever administers a place gives roles in it
    }
    facts = context | {"here": name} | may
    answer = render(request, template, facts, status=status)
    answer["Cache-Control"] = "no-store"
    return answer


@require_safe
@needs(SIGNED_IN)
def mine(request: HttpRequest) -> HttpResponse:
    """What one sets for oneself."""
    assert isinstance(request.user, User)
    return show(request, "mine", {"factors": second_factors.factors_of(request.user)})


@require_safe
@needs(SIGNED_IN)
def tokens(request: HttpRequest) -> HttpResponse:
    """One's own tokens; for administrators everyone's."""
    return show(request, "tokens", tokens_context(request))


def tokens_context(request: HttpRequest) -> dict[str, Any]:
    """What the page of tokens shows, besides a new one."""
    rows = Token.objects.select_related("user", "application").order_by(F("used_at").desc(nulls_last=True), "-id")
    may = allows(request.user, ADMINISTER)
    if not may:
        rows = rows.filter(user=request.user.pk)
    now = timezone.now()
    found = [(row, row.expires_at is not None and row.expires_at <= now) for row in rows[:PAGE]]
    assert isinstance(request.user, User)
    return {
        "tokens": found,
        "people": offer("owners", request.user) if may else None,
        "lifetimes": LIFETIMES,
        "scopes": SCOPES,
        "applications": offer("applications", request.user),
    }


@require_safe
@needs(ADMINISTER)
def people(request: HttpRequest) -> HttpResponse:
    """Everyone, those who may come in first."""
    return show(request, "people", people_context(request))


def people_context(request: HttpRequest) -> dict[str, Any]:
    """What the page of people shows, besides a new link."""
    q = request.GET.get("q", "").strip()[:100]
    rows = User.objects.filter(hook=False).annotate(number=Count("tokens")).order_by("-is_active", "username")
    if q:
        rows = rows.filter(username__icontains=q.lower())
    found = list(rows[: PAGE + 1])
    return {"people": found[:PAGE], "more": len(found) > PAGE, "q": q, "roles": Role.choices, "mails": mail.is_on()}


@require_safe
@needs(ADMINISTER)
def person(request: HttpRequest, username: str) -> HttpResponse:
    """One person: what they are, and how they come in."""
    found = get_object_or_404(User, username=username)
    context = {"person": found, "barred": tries.barred_from(found), "factors": second_factors.factors_of(found)}
    context["mails"] = mail.is_on()
    context["identities"] = Identity.objects.filter(user=found).select_related("provider").order_by("pk")
    return show(request, "person", context)


@require_safe
@needs(ADMINISTER)
def keys(request: HttpRequest) -> HttpResponse:
    """The Deployer's own key, and the git hosts that it trusts."""
    pairs = KeyPair.objects.filter(active=False).order_by("-id")[:20]
    git = GitHostKey.objects.order_by("host", "algorithm")[:PAGE]
    signer = signing.current()
    over = signer is not None and signer.ends_at is not None and signer.ends_at <= timezone.now()
    return show(request, "keys", {"pair": active_key_pair(), "old": pairs, "git": git, "signer": signer, "over": over})


@require_safe
@needs(ADMINISTER)
def environments(request: HttpRequest) -> HttpResponse:
    """Environments in their order."""
    rows = (
        Environment.objects.annotate(
            hosts=Count("memberships", distinct=True),
            number=Count("targets", filter=Q(targets__name=""), distinct=True),
        )
        .select_related("endpoint_offer")
        .order_by("position", "name")
    )
    return show(request, "environments", {"environments": rows})


@require_safe
@needs(ADMINISTER)
def regions(request: HttpRequest) -> HttpResponse:
    """Regions with their zones, and how hosts there are reached."""
    zones = Zone.objects.annotate(number=Count("hosts")).select_related("region").order_by("region__name", "name")
    by_region: dict[int, list[Zone]] = {}
    for zone in zones:
        by_region.setdefault(zone.region_id, []).append(zone)
    found = [(region, by_region.get(region.pk, [])) for region in Region.objects.select_related("gateway")]
    return show(request, "regions", {"regions": found})


@require_safe
@needs(VIEW, anywhere)
def steps(request: HttpRequest) -> HttpResponse:
    """The step presets, as they document themselves."""
    return show(request, "steps", {"presets": preset_docs.sections()})
