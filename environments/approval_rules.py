"""Who approves deploys to a target: nobody, or a number of people of a team."""

from django.db import transaction

from environments import access
from environments.models import Target, Team, User
from notifications import events

MOST = 20
LONGEST_HOURS = 24 * 90


class WrongApprovals(Exception):
    """Numbers that cannot be, or no team. `str()` is the sentence for every door."""


def set_approvals(target: Target, *, number: int, team: Team | None, hours: int, by: User | None) -> None:
    """So many of `team` approve each deploy before it starts, and that counts for `hours`; 0: nobody is asked.

    What waits is asked by the new rule. Raises WrongApprovals, NotAllowed.
    """
    access.require(by, access.ADMINISTER, target)
    if not 0 <= number <= MOST:
        raise WrongApprovals(f"From 0 to {MOST} people can be asked. Nothing was changed.")
    if not 1 <= hours <= LONGEST_HOURS:
        raise WrongApprovals(f"An approval counts for 1 to {LONGEST_HOURS} hours. Nothing was changed.")
    if number and team is None:
        raise WrongApprovals("Say which team approves. Nothing was changed.")
    approvers = team if number else None
    with transaction.atomic():
        rows = Target.objects.select_for_update(no_key=True).filter(pk=target.pk)
        before = rows.values_list("approvals", "approvers", "approval_hours").get()
        target.approvals, target.approvers, target.approval_hours = number, approvers, hours
        if before == (number, approvers.pk if approvers else None, hours):
            return
        rows.update(approvals=number, approvers=approvers, approval_hours=hours)
        told = f"{number} of the team {approvers}, for {hours} h" if approvers else "nobody is asked"
        events.record(
            "target.approvals_changed",
            by.username if by else "",
            application=target.application.name,
            environment=target.environment.name,
            told=told,
            number_asked=number,
            team=approvers.name if approvers else "",
            hours=hours,
        )
