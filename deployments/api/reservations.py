"""Reservations: locks for later."""

from typing import Any

from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from ninja import Router, Status

from deployments.api.auth import Needs, caller_of
from deployments.api.locks import team_named
from deployments.api.locks_schemas import (
    Book,
    CancelReservation,
    MoveReservation,
    ReservationOut,
    ReservedProblem,
)
from deployments.api.paging import Cursor, Id, page
from deployments.api.problems import NotFound, Unacceptable
from deployments.api.representation import represent_reservation
from deployments.api.schemas import Page, ProblemOut
from environments import locks
from environments.access import LOCK, VIEW
from environments.models import Reservation, User

router = Router(tags=["locks"])
REFUSED: Any = {409: ReservedProblem | ProblemOut, 400: ProblemOut}


@router.get("/reservations", auth=Needs(VIEW), response=Page[ReservationOut], summary="Those that are not over")
def list_reservations(request: HttpRequest, scope: str = "", cursor: Cursor = "") -> dict[str, Any]:
    rows = locks.coming_reservations().filter(locks.visible(_person(request)))
    if scope:
        rows = rows.filter(scope=scope)
    return page(rows, key="pk", cursor=cursor, represent=represent_reservation)


@router.post(
    "/reservations",
    auth=Needs(LOCK),
    response={201: list[ReservationOut]} | REFUSED,
    summary="Reserve a scope for later, once or weekly",
)
def book(request: HttpRequest, response: HttpResponse, payload: Book) -> Status[Any]:
    made = locks.book(
        locks.find(payload.scope, viewer=_person(request)),
        by=_person(request),
        starts=payload.starts,
        ends=payload.ends,
        reason=payload.reason,
        holder=_holder(payload.holder),
        team=team_named(payload.team),
        weekly_until=payload.weekly_until,
        zone=payload.zone,
    )
    response["Location"] = reverse("api:read_reservation", args=[made[0].pk])
    return Status(201, [represent_reservation(row) for row in made])


@router.get("/reservations/{reservation_id}", auth=Needs(VIEW), response=ReservationOut, summary="One reservation")
def read_reservation(request: HttpRequest, reservation_id: Id) -> dict[str, Any]:
    return represent_reservation(_find(request, reservation_id))


@router.post(
    "/reservations/{reservation_id}/move",
    auth=Needs(LOCK),
    response={200: ReservationOut} | REFUSED,
    summary="Have it at another time",
)
def move_reservation(request: HttpRequest, reservation_id: Id, payload: MoveReservation) -> dict[str, Any]:
    row = _find(request, reservation_id)
    return represent_reservation(locks.move(row, by=_person(request), starts=payload.starts, ends=payload.ends))


@router.delete("/reservations/{reservation_id}", auth=Needs(LOCK), response={204: None} | REFUSED, summary="Give it up")
def cancel_reservation(
    request: HttpRequest, reservation_id: Id, payload: CancelReservation | None = None
) -> Status[None]:
    row = _find(request, reservation_id)
    locks.cancel(row, by=_person(request), later_too=bool(payload and payload.later_too))
    return Status(204, None)


def _find(request: HttpRequest, reservation_id: int) -> Reservation:
    """Raises NotFound."""
    found = locks.reservations().filter(locks.visible(_person(request)), pk=reservation_id).first()
    if found is None:
        raise NotFound(f"There is no reservation {reservation_id}.")
    return found


def _holder(name: str) -> User | None:
    found = User.objects.filter(username=name, is_active=True).first() if name else None
    if name and found is None:
        raise Unacceptable(f"There is nobody called {name}. Nothing was booked.")
    return found


def _person(request: HttpRequest) -> User:
    return caller_of(request).user
