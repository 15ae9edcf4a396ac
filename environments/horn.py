"""How each person hears that a deploy has ended: set on the page of a deploy, kept with the person."""

from django.http import HttpRequest, HttpResponse
from django.views.decorators.http import require_POST

from environments.access import SIGNED_IN, needs
from environments.models import User

LOUDEST = 100


def set_horn(user: User, *, on: bool, volume: int) -> None:
    """Volume in percent. Raises ValueError."""
    if not 0 <= volume <= LOUDEST:
        raise ValueError(f"The volume is 0 to {LOUDEST}, not {volume}. Nothing was changed.")
    User.objects.filter(pk=user.pk).update(horn=on, horn_volume=volume)


@require_POST
@needs(SIGNED_IN)
def horn(request: HttpRequest) -> HttpResponse:
    """`on` is yes or no, `volume` percent."""
    assert isinstance(request.user, User)
    volume = request.POST.get("volume", "")
    try:
        set_horn(request.user, on=request.POST.get("on") == "yes", volume=int(volume))
    except ValueError as wrong:
        return HttpResponse(f"{wrong}\n", "text/plain; charset=utf-8", 400)
    return HttpResponse(status=204)
