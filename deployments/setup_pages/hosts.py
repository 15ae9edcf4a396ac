"""Adding hosts and trusting them; host_checks looks at them."""

from collections.abc import Callable

from django.contrib import messages
from django.core.exceptions import ValidationError
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from deployments.page_actions import person
from deployments.setup_pages.frame import REFUSALS, environment_or_404, host_or_404, show
from deployments.setup_pages.host_checks import USUAL_USER, bastions_of, hosts_of
from environments import adding_hosts, host_lines, keys, known_hosts
from environments.access import ADMINISTER, needs
from environments.host_lines import LinesWrong
from environments.models import Application, Environment, Host

USUAL_ENVIRONMENT = "production"


@require_http_methods(["GET", "POST"])
@needs(ADMINISTER)
def add_hosts(request: HttpRequest) -> HttpResponse:
    """Paste them, one to a line."""
    names = list(Environment.objects.values_list("name", flat=True))
    typed = {"environment": request.GET.get("environment", "") or (names[0] if names else USUAL_ENVIRONMENT)}
    context = {"typed": typed, "environments": names, "pair": keys.ensure_key_pair(), "problems": {}}
    if request.method != "POST":
        return show(request, "add_hosts.html", "hosts", context)
    place = request.POST.get("environment", "").strip() or USUAL_ENVIRONMENT
    try:
        lines = host_lines.read(request.POST.get("hosts", ""))
        if not lines:
            raise LinesWrong({1: "There is no host here yet. Write one as `deploy@web-1.example.com`."})
        observe = request.POST.get("observe") == "yes"
        root = request.POST.get("root", "") if observe else ""
        adding_hosts.add_hosts(lines, environment=place, observe=observe, root=root, by=person(request))
    except LinesWrong as error:
        told = context | {"typed": request.POST, "problems": error.problems}
        return show(request, "add_hosts.html", "hosts", told, status=422)
    except (*REFUSALS, ValidationError) as error:
        text = " ".join(error.messages) if isinstance(error, ValidationError) else str(error)
        told = context | {"typed": request.POST, "refusal": text}
        return show(request, "add_hosts.html", "hosts", told, status=422)
    return redirect("check-hosts", place)


@require_safe
@needs(ADMINISTER)
def check_hosts(request: HttpRequest, environment: str) -> HttpResponse:
    """All hosts of an environment and the bastions in front of them; what each is like comes a moment later."""
    place = environment_or_404(environment)
    hosts = hosts_of(place)
    first = Application.objects.order_by("pk").first()
    context = {
        "environment": place,
        "bastions": [host for host in bastions_of(place) if host not in hosts],
        "hosts": hosts,
        "pair": keys.ensure_key_pair(),
        "users": sorted({host.user for host in hosts if host.user}) or [USUAL_USER],
        "application": first,
        "targets": place.targets.filter(name="").select_related("application"),
    }
    return show(request, "check_hosts.html", "hosts", context)


def _do(request: HttpRequest, environment: str, verb: Callable[[Environment], str]) -> HttpResponse:
    """Run a verb; what it says, or why it refused, stands on the page that comes again."""
    place = environment_or_404(environment)
    try:
        said = verb(place)
    except REFUSALS as error:
        messages.error(request, str(error))
    else:
        if said:
            messages.success(request, said)
    return redirect("check-hosts", environment)


@require_POST
@needs(ADMINISTER)
def trust_hosts(request: HttpRequest, environment: str) -> HttpResponse:
    """The fingerprints that a person has compared: `key` is `HOST ALGORITHM KEY`, `only` one host of them."""
    only, replace = request.POST.get("only", ""), request.POST.get("replace", "")

    def verb(place: Environment) -> str:
        trusted = []
        for text in request.POST.getlist("key"):
            name, _, key = text.partition(" ")
            if (only and name != only) or (replace and name != replace):
                continue
            scanned = known_hosts.read_key(*(key.split(" ", 1) if " " in key else (key, "")))
            adding_hosts.trust(host_or_404(name), [scanned], by=person(request), replace=bool(replace))
            trusted.append(name)
        return f"{', '.join(trusted)}: trusted from now on." if trusted else ""

    return _do(request, environment, verb)


@require_POST
@needs(ADMINISTER)
def paste_known_hosts(request: HttpRequest, environment: str) -> HttpResponse:
    """Trust what a known_hosts file says of these hosts."""

    def verb(place: Environment) -> str:
        named, unnamed = adding_hosts.trust_known(
            [*hosts_of(place), *bastions_of(place)], request.POST.get("known_hosts", ""), by=person(request)
        )
        told = f"{_names(named)} trusted as that file says." if named else "That file names none of these hosts."
        return told + (f" It does not name {_names(unnamed)}." if named and unnamed else "")

    return _do(request, environment, verb)


def _names(hosts: list[Host]) -> str:
    return ", ".join(host.name for host in hosts)


@require_POST
@needs(ADMINISTER)
def change_host(request: HttpRequest, environment: str, name: str) -> HttpResponse:
    """Another address, port or user."""

    def verb(place: Environment) -> str:
        lines = host_lines.read(request.POST.get("place", ""))
        if len(lines) != 1 or lines[0].via:
            raise LinesWrong({1: "Write it as `user@host:port`."})
        adding_hosts.change_host(host_or_404(name), lines[0].place, by=person(request))
        return ""

    return _do(request, environment, verb)


@require_POST
@needs(ADMINISTER)
def take_out_host(request: HttpRequest, environment: str, name: str) -> HttpResponse:
    """Out of this environment."""

    def verb(place: Environment) -> str:
        adding_hosts.take_out(host_or_404(name), place, by=person(request))
        return f"{name} was taken out of {environment}. Nothing was done on it."

    return _do(request, environment, verb)


@sensitive_post_parameters("private", "passphrase")
@require_POST
@needs(ADMINISTER)
def use_key(request: HttpRequest, environment: str) -> HttpResponse:
    """Sign in to hosts with an existing private key from now on."""

    def verb(place: Environment) -> str:
        text = request.POST.get("private", "").replace("\r\n", "\n").strip() + "\n"
        keys.upload_key_pair(text, passphrase=request.POST.get("passphrase", ""), by=person(request).username)
        return "From now on the Deployer signs in with that key."

    return _do(request, environment, verb)
