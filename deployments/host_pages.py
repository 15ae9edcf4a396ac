"""Pages of environments and hosts, and what a click on them changes: thin doors onto verbs."""

import re
from collections.abc import Callable

from django.contrib import messages
from django.core.exceptions import BadRequest
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_POST, require_safe

from deployments import asking, lifecycle
from deployments.answers import answer, tag_of
from deployments.page_actions import REFUSALS, person
from deployments.page_queries.environments import read_environment, read_environments
from deployments.page_queries.host import find_host, read_host
from deployments.page_queries.hosts import STATES, Filter, read_hosts
from deployments.page_queries.locks import read_card, read_standing, read_told_locks, tell_lock
from deployments.pages import target_or_404
from environments import adding_hosts, host_keys, host_notes, locks, observing, on_hosts, places, setting_aside, ssh
from environments.access import ADMINISTER, DEPLOY, MAINTAIN, VIEW, NotAllowed, allows, allows_somewhere, needs
from environments.addresses import anywhere, of_environment, of_host, of_host_and_target
from environments.models import Aside, Environment, Host, HostKey, HostSource, Zone
from environments.settings_pages import LIFETIMES
from environments.sources.kinds import heartbeat
from environments.validation import NAME

HOST_REFUSALS = (
    *REFUSALS,
    adding_hosts.HostsError,
    host_notes.NoteTooLong,
    setting_aside.AsideError,
    observing.ObservedError,
    host_keys.HostKeyError,
    ssh.SSHError,
    NotAllowed,
)
LONGEST_QUERY = 100


@require_safe
@needs(VIEW, anywhere)
def environments(request: HttpRequest) -> HttpResponse:
    """All environments in their order."""
    page, everything, standing = (
        read_environments(person(request)),
        read_card(locks.ALL, person(request)),
        read_told_locks(),
    )
    told = {place.environment.name: tell_lock(standing, "", place.environment.name) for place in page.places}
    rules = allows(request.user, ADMINISTER)
    context = {"page": page, "card": everything, "locks": told, "may_administer": rules}
    tag = tag_of(page, everything, sorted(told.items()), rules)
    return answer(request, "deployments/environments.html", context, tag=tag)


@require_safe
@needs(VIEW, of_environment)
def environment(request: HttpRequest, name: str) -> HttpResponse:
    """One environment: its targets, its hosts."""
    found = environment_or_404(name)
    after, q = _name(request, "after"), request.GET.get("q", "").strip()[:LONGEST_QUERY]
    page = read_environment(found, after=after, q=q, user=person(request))
    may, standing = allows(request.user, DEPLOY, environment=found), read_standing(found)
    deployable = {line.target.pk for line in page.targets if allows(request.user, DEPLOY, line.target)}
    card = read_card(locks.of_environment(found), person(request), standing.get(found.name, ()))
    names = [line.target.application.name for line in page.targets]
    told = {application: tell_lock(standing, application, name) for application in names}
    context = {"page": page, "environment": found, "may_deploy": may, "q": q, "card": card, "locks": told}
    more = {
        "may_add": allows_somewhere(request.user, MAINTAIN, environment=found),
        "may_administer": allows(request.user, ADMINISTER),
    }
    context |= {"deployable": deployable, **more}
    tag = tag_of(page, may, card, sorted(told.items()), sorted(deployable), more)
    return answer(request, "deployments/environment.html", context, tag=tag)


@require_safe
@needs(VIEW, anywhere)
def hosts(request: HttpRequest) -> HttpResponse:
    """The map of all hosts, and a list that can be narrowed."""
    state = request.GET.get("state", "")
    if state and state not in STATES:
        raise BadRequest("No such state of a host.")
    wanted = Filter(
        q=request.GET.get("q", "").strip()[:LONGEST_QUERY],
        region=_name(request, "region"),
        environment=_name(request, "environment"),
        state=state,
        after=_name(request, "after"),
    )
    page = read_hosts(wanted, user=person(request))
    context = {"page": page, "wanted": wanted, "next": wanted.address(page.after), "first": wanted.address()}
    context["may_administer"] = allows(request.user, ADMINISTER)
    return answer(request, "deployments/hosts.html", context, tag=tag_of(page, wanted))


@require_safe
@needs(VIEW, of_host)
def host(request: HttpRequest, name: str) -> HttpResponse:
    """One host."""
    found = host_or_404(name)
    page = read_host(found, user=person(request))
    may, rules = on_hosts.allows(person(request), DEPLOY, found), allows(request.user, ADMINISTER)
    deployable = {
        place.target
        for place in page.places
        if place.converges and allows(request.user, DEPLOY, application=place.key[0], environment=place.key[1])
    }
    context = {"page": page, "host": found, "may_deploy": may, "may_administer": rules, "asides": Aside.values}
    context["zones"] = list(Zone.objects.select_related("region")) if rules else []
    context["deployable"] = deployable
    context["hearing"] = list(HostSource.objects.filter(kind=heartbeat.TOLD.word)) if rules else []
    context["lifetimes"] = LIFETIMES
    tag = tag_of(page, may, rules, context["zones"], sorted(deployable), context["hearing"])
    return answer(request, "deployments/host.html", context, tag=tag)


def environment_or_404(name: str) -> Environment:
    """The environment of this name; Http404 when there is none."""
    found = Environment.objects.filter(name=name).first()
    if found is None:
        raise Http404(f"No environment {name}.")
    return found


def host_or_404(name: str) -> Host:
    """The host of this name; Http404 when there is none."""
    try:
        return find_host(name)
    except Host.DoesNotExist:
        raise Http404(f"No host {name}.") from None


def _name(request: HttpRequest, field: str) -> str:
    """A name from the address, or ""; anything else cannot be answered."""
    text = request.GET.get(field, "").strip()
    if text and not re.fullmatch(NAME, text):
        raise BadRequest(f"{field} is no name.")
    return text


def _act(request: HttpRequest, verb: Callable[[], str], *, to: str, name: str) -> HttpResponse:
    """Run a verb and come back with its sentence, or with why it refused."""
    try:
        messages.success(request, verb())
    except HOST_REFUSALS as refusal:
        messages.error(request, str(refusal))
    return redirect(to, name)


@require_POST
@needs(DEPLOY, of_host)
def set_aside(request: HttpRequest, name: str) -> HttpResponse:
    """Drain or quarantine a host, with a reason."""
    found = host_or_404(name)
    how = request.POST.get("how", "")
    if how not in Aside.values:
        raise BadRequest("A host is drained or quarantined.")

    def verb() -> str:
        setting_aside.set_aside(found, how=how, why=request.POST.get("why", ""), by=person(request))
        return f"{found.name} is {how}. Deploys leave it out from now on."

    return _act(request, verb, to="host", name=name)


@require_POST
@needs(DEPLOY, of_host)
def note_host(request: HttpRequest, name: str) -> HttpResponse:
    """Write what people should know of a host."""
    found = host_or_404(name)

    def verb() -> str:
        host_notes.write(found, request.POST.get("note", ""), by=person(request))
        return f"The note on {found.name} is kept."

    return _act(request, verb, to="host", name=name)


@require_POST
@needs(ADMINISTER)
def label_host(request: HttpRequest, name: str) -> HttpResponse:
    """Say by which labels targets choose a host in one of its environments."""
    found, place = host_or_404(name), environment_or_404(request.POST.get("environment", ""))

    def verb() -> str:
        said = (pair.partition("=") for pair in request.POST.get("labels", "").split(",") if pair.strip())
        labels = {label.strip(): value.strip() for label, _, value in said}
        adding_hosts.label(found, place, labels, by=person(request))
        return f"The labels of {found.name} in {place.name} are kept."

    return _act(request, verb, to="host", name=name)


@require_POST
@needs(DEPLOY, of_host)
def take_back(request: HttpRequest, name: str) -> HttpResponse:
    """Let deploys go to a host again."""
    found = host_or_404(name)

    def verb() -> str:
        setting_aside.take_back(found, by=person(request))
        return f"Deploys go to {found.name} again. What it missed can be converged below."

    return _act(request, verb, to="host", name=name)


@require_POST
@needs(ADMINISTER)
def take_up_host(request: HttpRequest, name: str) -> HttpResponse:
    """Let deploys go to a host that was only observed."""
    found = host_or_404(name)

    def verb() -> str:
        observing.take_up(found, by=person(request))
        return f"Deploys go to {name} from now on. Until the first one, nothing there changes."

    return _act(request, verb, to="host", name=name)


@require_POST
@needs(ADMINISTER)
def name_folder(request: HttpRequest, name: str) -> HttpResponse:
    """Say in which folder of an observed host to look for what serves."""
    found = host_or_404(name)

    def verb() -> str:
        observing.look_in(found, request.POST.get("root", ""), by=person(request))
        return asking.ask_host(host_or_404(name), by=person(request))

    return _act(request, verb, to="host", name=name)


@require_POST
@needs(ADMINISTER)
def place_host(request: HttpRequest, name: str) -> HttpResponse:
    """Say where a host stands: `zone` is `REGION/ZONE`, or empty for nowhere."""
    found = host_or_404(name)
    region, _, word = request.POST.get("zone", "").partition("/")
    zone = Zone.objects.select_related("region").filter(region__name=region, name=word).first()
    if zone is None and region:
        raise BadRequest("There is no such zone.")

    def verb() -> str:
        places.place_host(found, zone, by=person(request))
        return f"{found.name} stands in {zone.region.name}, zone {zone.name}." if zone else f"{name} stands in no zone."

    return _act(request, verb, to="host", name=name)


@require_POST
@needs(DEPLOY, of_host)
def ask_host(request: HttpRequest, name: str) -> HttpResponse:
    """Ask a host now what it runs."""
    found = host_or_404(name)
    return _act(request, lambda: asking.ask_host(found, by=person(request)), to="host", name=name)


@require_POST
@needs(DEPLOY, of_environment)
def ask_environment(request: HttpRequest, name: str) -> HttpResponse:
    """Have the hosts of an environment asked soon."""
    found = environment_or_404(name)
    return _act(request, lambda: asking.ask_environment(found, by=person(request)), to="environment", name=name)


@require_POST
@needs(DEPLOY, of_host_and_target)
def converge_host(request: HttpRequest, name: str, application: str, environment: str) -> HttpResponse:
    """Deploy what is live to this one host."""
    found, target = host_or_404(name), target_or_404(application=application, environment=environment)
    try:
        made = lifecycle.converge(target, hosts=[found.name], by=person(request))
    except HOST_REFUSALS as refusal:
        messages.error(request, str(refusal))
        return redirect("host", name)
    return redirect("deploy", made.pk)


@require_POST
@needs(ADMINISTER)
def scan_keys(request: HttpRequest, name: str) -> HttpResponse:
    """Show which keys a host shows now, beside those that are trusted."""
    found = host_or_404(name)
    try:
        shown = ssh.scan_host(found)
    except ssh.SSHError as error:
        messages.error(request, str(error))
        return redirect("host", name)
    trusted = {row.key: row for row in found.keys.all()}
    known = {row.algorithm: ssh.fingerprint(row.key) for row in trusted.values()}
    keys = [(key, key.key in trusted, "" if key.key in trusted else known.get(key.algorithm, "")) for key in shown]
    return render(request, "deployments/host_keys.html", {"host": found, "keys": keys})


@require_POST
@needs(ADMINISTER)
def accept_key(request: HttpRequest, name: str) -> HttpResponse:
    """Trust the key whose fingerprint a person has compared: it must still be the one that is shown."""
    found = host_or_404(name)

    def verb() -> str:
        chosen = host_keys.choose(ssh.scan_host(found), request.POST.get("fingerprint", ""))
        by = person(request).username
        host_keys.accept(host=found, key=chosen, by=by, replace=request.POST.get("replace", ""))
        return f"{found.name} is trusted by {chosen.algorithm} {chosen.fingerprint}."

    return _act(request, verb, to="host", name=name)


@require_POST
@needs(ADMINISTER)
def distrust_key(request: HttpRequest, name: str, key_id: int) -> HttpResponse:
    """Stop trusting a key."""
    found = host_or_404(name)
    key = HostKey.objects.select_related("host").filter(host=found, pk=key_id).first()
    if key is None:
        raise Http404(f"{name} has no such key.")

    def verb() -> str:
        host_keys.distrust(key, by=person(request).username)
        return f"{found.name} is no longer trusted by {key.algorithm} {ssh.fingerprint(key.key)}."

    return _act(request, verb, to="host", name=name)
