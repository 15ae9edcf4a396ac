from django.db import models
from django.db.models import Q
from django.db.models.functions import Coalesce

from environments.models.applications import Application
from environments.models.people import Role, Team, User
from environments.models.places import Environment

GRANTED_ROLES = [role for role in Role if role != Role.GUEST]
EVERYONES_ROLES = [Role.VIEWER, Role.DEPLOYER, Role.MAINTAINER]


class Grant(models.Model):
    """A role of one person, or of all members of a team, in one application, one environment, both, or everywhere."""

    person = models.ForeignKey(User, on_delete=models.CASCADE, null=True, blank=True, related_name="grants")
    team = models.ForeignKey(Team, on_delete=models.CASCADE, null=True, blank=True, related_name="grants")
    role = models.CharField(max_length=16, choices=[(role.value, role.label) for role in GRANTED_ROLES])
    application = models.ForeignKey(
        Application, on_delete=models.CASCADE, null=True, blank=True, related_name="grants", help_text="Empty: all."
    )
    environment = models.ForeignKey(
        Environment, on_delete=models.CASCADE, null=True, blank=True, related_name="grants", help_text="Empty: all."
    )
    given_by = models.CharField(max_length=150, blank=True, default="", db_default="")
    given_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(person__isnull=False, team__isnull=True) | Q(person__isnull=True, team__isnull=False),
                name="grant_has_one_holder",
            ),
            models.CheckConstraint(condition=Q(role__in=GRANTED_ROLES), name="grant_role_is_known"),
            # a null is no value that could be there twice, so it counts as 0
            models.UniqueConstraint(
                Coalesce("person", 0),
                Coalesce("team", 0),
                Coalesce("application", 0),
                Coalesce("environment", 0),
                name="grant_once",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.person or self.team}: {self.role}"


class DefaultRoles(models.Model):
    """What everyone who is signed in may, guests apart. One row, once somebody has chosen; before, as in settings."""

    unprotected = models.CharField(max_length=16, choices=[(role.value, role.label) for role in EVERYONES_ROLES])
    protected = models.CharField(max_length=16, choices=[(role.value, role.label) for role in EVERYONES_ROLES])

    class Meta:
        constraints = [
            models.CheckConstraint(condition=Q(pk=1), name="default_roles_one_row"),
            models.CheckConstraint(
                condition=Q(unprotected__in=EVERYONES_ROLES) & Q(protected__in=EVERYONES_ROLES),
                name="default_roles_are_known",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.unprotected}, protected: {self.protected}"
