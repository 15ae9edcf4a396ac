"""Carrying out a plan: all of it or nothing, by the verbs that the pages use, so with their rules and their events."""

from django.core.exceptions import ValidationError
from django.db import transaction

from deployments.written import planning
from deployments.written.errors import NotApplied
from deployments.written.planning import Change, File, Plan
from environments.access import NotAllowed
from environments.adding_applications import ApplicationError
from environments.adding_hosts import HostsError
from environments.approval_rules import WrongApprovals
from environments.channels.errors import ChannelError
from environments.configuration.errors import ConfigurationError
from environments.editing_targets import TargetError
from environments.editing_tasks import TaskWrong
from environments.endpoints import EndpointError
from environments.granting import GrantError
from environments.host_authorities import AuthorityError
from environments.host_keys import HostKeyError
from environments.known_hosts import KnownHostsWrong
from environments.locks import LockError
from environments.models import User
from environments.observing import ObservedError
from environments.operator import operator
from environments.people import PeopleError
from environments.places import PlaceError
from environments.providers.errors import ProviderError
from environments.secret_stores.errors import StoreError
from environments.sources.listing import SourceError
from environments.teams import TeamError
from environments.windows import WindowError
from notifications import events

REFUSALS = (
    *(ApplicationError, ConfigurationError, GrantError, HostKeyError, HostsError, KnownHostsWrong, NotAllowed),
    *(EndpointError, PlaceError, StoreError, TargetError, TaskWrong, TeamError, ValidationError, WindowError),
    *(AuthorityError, LockError, ChannelError, ObservedError, ProviderError, PeopleError, SourceError, WrongApprovals),
)


def apply(file: File, *, remove: bool = False, by: User | None) -> Plan:
    """What was changed. `by` None: whoever has the command line. Raises WrittenWrong, NotApplied."""
    with transaction.atomic():
        plan = planning.plan(file, remove=remove)
        for change in plan.changes:
            _carry_out(change, by)
        if plan.changes:
            actor = by.username if by else operator()
            sections = sorted({change.section.name for change in plan.changes})
            events.record("setup.applied", actor, changes=len(plan.changes), sections=sections)
    return plan


def _carry_out(change: Change, by: User | None) -> None:
    try:
        if change.kind == "order":
            before, after = change.differences[0].before, change.differences[0].after
            change.section.order(after, [key for key in after if key not in before], by)
        elif change.kind == "remove":
            assert change.section.remove is not None
            change.section.remove(change.key, by)
        else:
            change.section.write(change.key, change.entry, change.before, by)
    except REFUSALS as error:
        text = " ".join(error.messages) if isinstance(error, ValidationError) else str(error)
        at = f"line {change.line}, " if change.line else ""
        text = text.removesuffix("Nothing was changed.").rstrip()
        raise NotApplied(f"{at}{change.about}: {text} Everything is as it was before.") from error
