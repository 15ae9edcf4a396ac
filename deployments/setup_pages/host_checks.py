"""Looking at hosts that are being set up: live, side by side, without writing anything there."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

from django.core.exceptions import ValidationError
from django.db import connection
from django.http import HttpRequest, HttpResponse, HttpResponseBase, StreamingHttpResponse
from django.template.loader import render_to_string
from django.views.decorators.http import require_safe

from deployments import probing
from deployments.setup_pages.frame import environment_or_404, host_or_404
from environments import keys
from environments.access import MAINTAIN, needs
from environments.addresses import within_environment
from environments.host_lines import Place
from environments.models import Application, Environment, Host, Membership, Region, Target
from environments.validation import validate_relative, validate_root

USUAL_USER = "deploy"
AT_ONCE = 16


def hosts_of(environment: Environment) -> list[Host]:
    """Its own, by name."""
    rows = Host.objects.filter(memberships__environment=environment).select_related("zone__region__gateway")
    return list(rows.prefetch_related("keys").order_by("name"))


def bastions_of(environment: Environment) -> list[Host]:
    """By way of which its hosts are reached."""
    own = Host.objects.filter(memberships__environment=environment)
    return list(Host.objects.filter(pk__in=Region.objects.filter(zones__hosts__in=own).values("gateway")))


@require_safe
@needs(MAINTAIN, within_environment)
def check_host(request: HttpRequest, environment: str, name: str) -> HttpResponse:
    """One row: what the host says now. `root`, `user`, `slug` and `file` are those of a target that is being typed."""
    return HttpResponse(_row(request, environment, name), headers={"Cache-Control": "no-store"})


@require_safe
@needs(MAINTAIN, within_environment)
def check_all_hosts(request: HttpRequest, environment: str) -> HttpResponseBase:
    """The rows of all hosts, each as soon as it is known: `{"host", "row"}`, one JSON object to a line."""
    place = environment_or_404(environment)
    names = list(dict.fromkeys(host.name for host in (*bastions_of(place), *hosts_of(place))))

    def look(name: str) -> str:
        try:
            return json.dumps({"host": name, "row": _row(request, environment, name)}) + "\n"
        finally:
            connection.close()

    headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
    return StreamingHttpResponse(_as_they_come(look, names), content_type="application/x-ndjson", headers=headers)


async def _as_they_come(look: Callable[[str], str], names: Sequence[str]) -> AsyncIterator[str]:
    """AT_ONCE at a time; whoever leaves the page ends those that have not begun."""
    loop, threads = asyncio.get_running_loop(), ThreadPoolExecutor(AT_ONCE, thread_name_prefix="check")
    try:
        for found in asyncio.as_completed([loop.run_in_executor(threads, look, name) for name in names]):
            yield await found
    finally:
        threads.shutdown(wait=False, cancel_futures=True)


def _row(request: HttpRequest, environment: str, name: str) -> str:
    place, host = environment_or_404(environment), host_or_404(name)
    target = place.targets.filter(name="").order_by("pk").first()
    root = request.GET.get("root", "") or host.observed_root or _usual_root(target)
    files = request.GET.getlist("file") if "root" in request.GET else target.linked_files if target else []
    try:
        validate_root(root)
        for path in files:
            validate_relative(path)
    except ValidationError as error:
        wrong = {"environment": place, "host": host, "wrong": error.messages[0]}
        return render_to_string("environments/_host_row.html", wrong, request)
    user = request.GET.get("user", "") or host.user or _gateway_user(host) or USUAL_USER
    slug, git = request.GET.get("slug", ""), request.GET.get("git") == "yes"
    context = {
        "environment": place,
        "host": host,
        "seen": probing.examine(host, user=user, root=root, git=git, slug=slug, linked_files=files),
        "user": user,
        "place": Place(user, host.address, host.port),
        "line": keys.ensure_key_pair().public,
        "member": Membership.objects.filter(environment=place, host=host).exists(),
        "plain": "root" in request.GET,
    }
    return render_to_string("environments/_host_row.html", context, request)


def _gateway_user(host: Host) -> str:
    return Region.objects.filter(gateway=host).values_list("gateway_user", flat=True).first() or ""


def _usual_root(target: Target | None) -> str:
    """The folder of the first target there; else the one that would be proposed."""
    application = Application.objects.order_by("pk").first()
    return target.root if target else f"~/{application.name if application else 'app'}"
