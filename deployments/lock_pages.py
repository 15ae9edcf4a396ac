"""The page of all locks, and what a click changes about one: thin doors onto verbs; changes only by POST."""

import re
from collections.abc import Callable, Sequence
from datetime import datetime

from django.contrib import messages
from django.core.exceptions import BadRequest
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.views.decorators.http import require_POST, require_safe

from deployments import lifecycle
from deployments.addresses import of_deploy
from deployments.answers import answer, tag_of
from deployments.page_actions import REFUSALS, person
from deployments.page_queries.lock_insights import read_insights
from deployments.page_queries.locks import BEFORE
from deployments.page_queries.locks_page import read_locks
from deployments.page_queries.messages import read_messages
from deployments.pages import deploy_or_404
from environments import locks
from environments.access import DEPLOY, LOCK, TAKE_LOCKS, VIEW, allows_somewhere, needs
from environments.addresses import anywhere
from environments.models import Answer, Lock, LockKind, LockQuestion, Team
from environments.parts import asked_part
from environments.validation import NAME

LOCK_REFUSALS = (*REFUSALS, locks.LockError)


@require_safe
@needs(VIEW, anywhere)
def all_locks(request: HttpRequest) -> HttpResponse:
    """What is locked and reserved, who waits for it, what was said to the viewer, and the last days in numbers."""
    who, part = person(request), asked_part(request)
    page, told, insights = read_locks(who, part=part), read_messages(who), read_insights(who, now=locks.clock())
    may = allows_somewhere(request.user, DEPLOY)
    last = page.before + len(page.lines)
    lines = {"part": part, "first": page.before + 1, "last": last, "more": last < page.beyond}
    context = {"page": page, "told": told, "insights": insights, "may_deploy": may, **lines}
    # links are signed anew each time
    tag = tag_of(page, [(one.id, sorted(one.links)) for one in told], insights, may)
    return answer(request, "deployments/locks.html", context, tag=tag)


def _act(request: HttpRequest, scope: str, verb: Callable[[], object], told: str) -> HttpResponse:
    """Run a verb and come back to the page that the form stood on, with its sentence or why it refused."""
    back = _back(request, scope)  # first: a form that says a place that is none changes nothing
    try:
        done = verb()
    except LOCK_REFUSALS as refusal:
        messages.error(request, str(refusal))
    else:
        messages.success(request, told)
        ahead = locks.reaches_into(done, viewer=person(request)) if isinstance(done, Lock) else None
        if ahead is not None:
            messages.warning(request, locks.tell_ahead(ahead))
    return redirect(back)


def _back(request: HttpRequest, scope: str) -> str:
    words = scope.split("/")
    if request.POST.get("back") == "locks":
        return reverse("locks")
    if request.POST.get("back") == "target":
        words = request.POST.get("target", "").split("/")
        if len(words) not in (2, 3) or not all(re.fullmatch(NAME, word) for word in words):
            raise BadRequest("No such page to come back to.")
        return _page_of(words)
    if scope == locks.ALL.text:
        return reverse("environments")
    return reverse("environment", args=words) if len(words) == 1 else _page_of(words)


def _page_of(words: Sequence[str]) -> str:
    """Of a target, by the words of its slug."""
    return reverse("target", args=[words[0], "/".join(words[1:3])])


def _lock_or_404(request: HttpRequest, lock_id: int) -> Lock:
    found = locks.find_lock(lock_id, viewer=person(request))
    if found is None:
        raise Http404(f"No lock {lock_id}.")
    return found


def _end(request: HttpRequest, scope: locks.Scope) -> datetime | None:
    if request.POST.get("for") == BEFORE:
        ahead = locks.ahead_of([scope], person(request)).get(scope.text)
        if ahead is None:
            raise locks.WrongEnd(f"{scope.place} is not reserved any more. Choose how long. Nothing was changed.")
        return ahead.starts
    return locks.read_end(
        request.POST.get("for", ""),
        now=locks.clock(),
        chosen=request.POST.get("date", ""),
        zone=request.POST.get("zone", ""),
        day_ends=person(request).day_ends,
    )


def team_named(request: HttpRequest) -> Team | None:
    """The team that is to hold it; None: the person alone."""
    name = request.POST.get("team", "")
    found = Team.objects.filter(name=name).first() if name else None
    if name and found is None:
        raise Http404(f"No team {name[:63]}.")
    return found


def held_choice(request: HttpRequest) -> str:
    held = request.POST.get("held", "leave")
    if held not in lifecycle.HELD:
        raise BadRequest("No such choice about held deploys.")
    return held


@require_POST
@needs(LOCK, anywhere)
def take_lock(request: HttpRequest) -> HttpResponse:
    """Lock a scope."""
    text, kind = request.POST.get("scope", ""), request.POST.get("kind", LockKind.LOCK)
    if kind not in LockKind.values:
        raise BadRequest("No such kind of lock.")
    try:
        scope = locks.find(text, viewer=person(request))
    except locks.NothingToLock as missing:
        raise Http404(str(missing)) from None
    team = team_named(request)

    def verb() -> Lock:
        reason, by = request.POST.get("reason", ""), person(request)
        return locks.acquire(scope, by=by, reason=reason, until=_end(request, scope), kind=kind, team=team)

    told = f"You hold {scope.place}." if kind == LockKind.LOCK else f"Whoever deploys to {scope.place} is warned."
    return _act(request, text, verb, told)


@require_POST
@needs(LOCK, anywhere)
def release_lock(request: HttpRequest, lock_id: int) -> HttpResponse:
    """Give it back, and say what becomes of the deploys that it held."""
    lock, held = _lock_or_404(request, lock_id), held_choice(request)
    told = f"Released: {lock.place}."
    return _act(request, lock.scope, lambda: lifecycle.unlock(lock, by=person(request), held=held), told)


@require_POST
@needs(LOCK, anywhere)
def extend_lock(request: HttpRequest, lock_id: int) -> HttpResponse:
    """Hold it longer."""
    lock = _lock_or_404(request, lock_id)

    def verb() -> Lock:
        return locks.extend(lock, by=person(request), until=_end(request, locks.of_row(lock)))

    return _act(request, lock.scope, verb, f"You keep {lock.place}.")


@require_POST
@needs(LOCK, anywhere)
def ask_holder(request: HttpRequest, lock_id: int) -> HttpResponse:
    """Ask the holder for it."""
    lock, text = _lock_or_404(request, lock_id), request.POST.get("text", "")
    told = f"{lock.holder_name} is asked."
    return _act(request, lock.scope, lambda: locks.ask(lock, by=person(request), text=text), told)


@require_POST
@needs(LOCK, anywhere)
def answer_question(request: HttpRequest, question_id: int) -> HttpResponse:
    """Release it, hold it longer, or say no."""
    rows = LockQuestion.objects.select_related("by", "lock__holder", "lock__team", "lock__environment", "lock__target")
    asked = rows.filter(pk=question_id).first()
    if asked is None or not Lock.objects.filter(locks.visible(person(request)), pk=asked.lock_id).exists():
        raise Http404(f"No question {question_id}.")
    what, held = request.POST.get("answer", ""), held_choice(request)

    def verb() -> None:
        until = _end(request, locks.of_row(asked.lock)) if what == Answer.EXTEND else None
        lifecycle.answer(asked, what, by=person(request), until=until, held=held)

    return _act(request, asked.lock.scope, verb, f"{asked.by_name} has your answer.")


@require_POST
@needs(TAKE_LOCKS, anywhere)
def take_over(request: HttpRequest, lock_id: int) -> HttpResponse:
    """Take it over from its holder, who is told."""
    lock, reason = _lock_or_404(request, lock_id), request.POST.get("reason", "")
    told = f"You have {lock.place} now. {lock.holder_name} is told."
    return _act(request, lock.scope, lambda: locks.take(lock, by=person(request), reason=reason), told)


@require_POST
@needs(LOCK, anywhere)
def join_line(request: HttpRequest, lock_id: int) -> HttpResponse:
    """Wait in line for as long as one wants it then."""
    lock, wanted = _lock_or_404(request, lock_id), request.POST.get("for", "")
    if wanted not in locks.DURATIONS:
        raise BadRequest("No such duration.")
    length, reason = locks.DURATIONS[wanted], request.POST.get("reason", "")

    def verb() -> None:
        locks.wait_in_line(locks.of_row(lock), by=person(request), wanted=length, reason=reason)

    return _act(request, lock.scope, verb, f"You wait in line for {lock.place}.")


@require_POST
@needs(LOCK, anywhere)
def leave_line(request: HttpRequest, lock_id: int) -> HttpResponse:
    """Wait no longer, or no longer want to hear of it."""
    lock, only = _lock_or_404(request, lock_id), request.POST.get("tell") == "yes"

    def verb() -> None:
        locks.leave_line(locks.of_row(lock), by=person(request), tell_only=only)

    return _act(request, lock.scope, verb, f"You do not wait for {lock.place} any more.")


@require_POST
@needs(VIEW, anywhere)
def tell_me(request: HttpRequest, lock_id: int) -> HttpResponse:
    """Hear when it is free, without a place in line."""
    lock = _lock_or_404(request, lock_id)

    def verb() -> None:
        locks.tell_me_when_free(locks.of_row(lock), by=person(request))

    return _act(request, lock.scope, verb, f"You hear of it when {lock.place} is free.")


@require_POST
@needs(LOCK, anywhere)
def confirm_lock(request: HttpRequest, lock_id: int) -> HttpResponse:
    """Take what is offered."""
    lock = _lock_or_404(request, lock_id)
    return _act(request, lock.scope, lambda: locks.confirm(lock, by=person(request)), f"You hold {lock.place}.")


@require_POST
@needs(DEPLOY, of_deploy)
def let_go(request: HttpRequest, deploy_id: int) -> HttpResponse:
    """Deploy what a lock has held."""
    deploy = deploy_or_404(deploy_id)
    told = f"#{deploy.number} starts as soon as it can."
    return _act(request, deploy.target.slug, lambda: lifecycle.let_go(deploy, by=person(request)), told)


@require_POST
@needs(DEPLOY, of_deploy)
def drop(request: HttpRequest, deploy_id: int) -> HttpResponse:
    """Give up what a lock has held."""
    deploy = deploy_or_404(deploy_id)
    told = f"#{deploy.number} is dropped."
    return _act(request, deploy.target.slug, lambda: lifecycle.drop(deploy, by=person(request)), told)
