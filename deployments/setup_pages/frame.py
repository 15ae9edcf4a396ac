"""What the pages of setting up have in common: the way so far beside them, and refusals as sentences."""

from typing import Any

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render

from deployments.page_actions import person
from deployments.page_queries.first_steps import read_first_steps
from environments.access import NotAllowed
from environments.adding_applications import ApplicationError
from environments.adding_hosts import HostsError
from environments.editing_targets import TargetError
from environments.host_keys import HostKeyError
from environments.host_lines import LinesWrong
from environments.keys import KeyNotUsable
from environments.known_hosts import KnownHostsWrong
from environments.models import Application, Environment, Host
from environments.observing import ObservedError
from environments.places import PlaceError
from environments.repositories import RepositoryError
from environments.sealed import CannotOpen

REFUSALS = (
    NotAllowed, ApplicationError, HostsError, TargetError, HostKeyError, LinesWrong, KeyNotUsable, KnownHostsWrong,
    RepositoryError, CannotOpen, PlaceError, ObservedError,
)  # fmt: skip


def show(request: HttpRequest, template: str, here: str, context: dict[str, Any], *, status: int = 200) -> HttpResponse:
    """A page of setting up. `here` is the step that it belongs to."""
    frame = {"first": read_first_steps(person(request)), "here": here}
    response = render(request, f"environments/{template}", frame | context, status=status)
    response["Cache-Control"] = "no-store"
    return response


def piece(request: HttpRequest, template: str, context: dict[str, Any]) -> HttpResponse:
    """A part of such a page, which comes later or again."""
    response = render(request, f"environments/{template}", context)
    response["Cache-Control"] = "no-store"
    return response


def application_or_404(name: str) -> Application:
    found = Application.objects.filter(name=name).first()
    if found is None:
        raise Http404(f"No application {name}.")
    return found


def environment_or_404(name: str) -> Environment:
    found = Environment.objects.filter(name=name).first()
    if found is None:
        raise Http404(f"No environment {name}.")
    return found


def host_or_404(name: str) -> Host:
    found = Host.objects.select_related("zone__region__gateway").filter(name=name).first()
    if found is None:
        raise Http404(f"No host {name}.")
    return found
