"""A click that changes something: the verb is run, what became of it is told, and the page comes again."""

from collections.abc import Callable

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect

from environments.models import User


def who(request: HttpRequest) -> User:
    """Who clicked, where `needs` has let somebody in."""
    assert isinstance(request.user, User)
    return request.user


def act(
    request: HttpRequest,
    to: str,
    verb: Callable[[], object],
    told: str = "",
    *,
    refusals: tuple[type[Exception], ...],
) -> HttpResponse:
    """Back to `to`, with `told`, or with what the verb says of itself; or with why it was refused."""
    try:
        said = verb()
    except refusals as refusal:
        messages.error(request, str(refusal))
    else:
        messages.success(request, told or str(said))
    return redirect(to)
