from django.db import models

from environments.models.people import Role, Team, User
from environments.validation import validate_name


class LetsIn(models.TextChoices):
    """Whom a provider lets in who was not here before, or is in no group that means something here."""

    EVERYONE = "everyone", "everyone whom it knows"
    MAPPED = "mapped", "only who is in a mapped group"
    KNOWN = "known", "only who has an account here already"


class SignInProvider(models.Model):
    """Somebody who says who a person is: an OpenID provider, as Keycloak, Entra ID or GitLab."""

    name = models.CharField(max_length=63, unique=True, validators=[validate_name], help_text="Part of its addresses.")
    title = models.CharField(max_length=60, help_text="What the button on the sign-in page calls it.")
    enabled = models.BooleanField(default=True)
    issuer = models.CharField(max_length=500, help_text="Its address, as its own documents write it.")
    client_id = models.CharField(max_length=500)
    secret = models.TextField(blank=True, default="", editable=False, help_text="The client's, sealed.")
    scopes = models.CharField(max_length=500, default="openid profile email")
    groups_claim = models.CharField(max_length=200, blank=True, default="groups")
    lets_in = models.CharField(max_length=8, choices=LetsIn.choices, default=LetsIn.EVERYONE)
    domains = models.CharField(
        max_length=1000, blank=True, default="", help_text="Of mail addresses that may come in, by spaces; empty: all."
    )
    links_by_mail = models.BooleanField(
        default=False, help_text="Whether a verified mail address leads to the account that has it here."
    )
    second_factors = models.CharField(
        max_length=500, blank=True, default="", help_text="Values of acr that stand for a second factor, by spaces."
    )
    authorities = models.TextField(blank=True, default="", help_text="Who vouches for its certificate, as PEM.")
    created_at = models.DateTimeField(auto_now_add=True)
    asked_at = models.DateTimeField(null=True, blank=True, editable=False, help_text="When it was last asked.")
    trouble = models.TextField(blank=True, default="", editable=False, help_text="What went wrong then; or empty.")

    class Meta:
        ordering = ["title", "name"]

    def __str__(self) -> str:
        return self.title


class GroupMapping(models.Model):
    """What being in a group of a provider means here: a team, or a role everywhere."""

    provider = models.ForeignKey(SignInProvider, on_delete=models.CASCADE, related_name="mappings")
    group = models.CharField(max_length=255)
    team = models.ForeignKey(Team, on_delete=models.CASCADE, null=True, blank=True, related_name="+")
    role = models.CharField(max_length=16, choices=Role.choices, blank=True, default="")

    class Meta:
        ordering = ["group", "pk"]
        constraints = [
            models.CheckConstraint(
                condition=models.Q(team__isnull=False, role="") | models.Q(team__isnull=True) & ~models.Q(role=""),
                name="group_means_a_team_or_a_role",
            ),
            models.UniqueConstraint(fields=["provider", "group", "team"], name="group_means_a_team_once"),
            models.UniqueConstraint(
                fields=["provider", "group"], condition=models.Q(team__isnull=True), name="group_means_one_role"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.group} of {self.provider}"


class Identity(models.Model):
    """A person as a provider knows them, by a word that never changes there; names and addresses do."""

    provider = models.ForeignKey(SignInProvider, on_delete=models.CASCADE, related_name="identities")
    subject = models.CharField(max_length=255)
    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="identities")
    email = models.CharField(max_length=254, blank=True, default="", help_text="As the provider said it last.")
    groups = models.JSONField(default=list, blank=True, help_text="Names, as the provider said them last.")
    made_at = models.DateTimeField(auto_now_add=True)
    used_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        verbose_name_plural = "identities"
        constraints = [
            models.UniqueConstraint(fields=["provider", "subject"], name="one_person_per_subject"),
            models.UniqueConstraint(fields=["provider", "user"], name="one_subject_per_person"),
        ]

    def __str__(self) -> str:
        return f"{self.user} at {self.provider}"


class GroupMembership(models.Model):
    """That somebody is in a team because of a group, not because a person put them there."""

    team = models.ForeignKey(Team, on_delete=models.CASCADE, related_name="by_group")
    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="teams_by_group")

    class Meta:
        constraints = [models.UniqueConstraint(fields=["team", "user"], name="in_a_team_by_group_once")]

    def __str__(self) -> str:
        return f"{self.user} in {self.team}"


class SignInRules(models.Model):
    """What administrators have said of passwords; one row, or none before they have."""

    passwords_for_all = models.BooleanField(default=True)

    def __str__(self) -> str:
        return "passwords for everyone" if self.passwords_for_all else "passwords for administrators"
