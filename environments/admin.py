"""The admin of what there is. Secrets are only ever written here, never shown."""

from typing import Any, ClassVar

from allauth.account.models import EmailAddress
from allauth.mfa.models import Authenticator
from django import forms
from django.contrib import admin
from django.contrib.auth.admin import UserAdmin
from django.contrib.auth.models import Group
from django.db.models import Model, QuerySet
from django.http import HttpRequest

from environments import host_keys, repositories, ssh, tokens
from environments.admin_site import ByRole, InlineByRole, ReadOnly, may_administer
from environments.models import (
    Application,
    Environment,
    GitHostKey,
    Host,
    HostKey,
    KeyPair,
    Membership,
    Region,
    Step,
    Target,
    Task,
    Token,
    User,
    Zone,
)
from environments.sealed import seal
from environments.step_form import StepForm, StepRowForm
from notifications.admin import EventAdmin
from notifications.models import Event

BUILD_SECONDS = 900
admin.site.site_header = admin.site.site_title = "The Deployer"
admin.site.has_permission = may_administer  # type: ignore[method-assign]  # by role, not by is_staff
# Roles say who may what; groups would say it a second time.
admin.site.unregister(Group)
admin.site.unregister(Event)
# Second factors are people's own; mail addresses are not kept there.
admin.site.unregister([Authenticator, EmailAddress])


@admin.register(Event)
class Events(ReadOnly, EventAdmin):
    """The audit trail, for administrators by role."""

    search_fields = ["=actor", "=application", "=environment", "=deploy"]


class SealedField(forms.CharField):
    """Write only: it is always shown empty, and empty means "leave it as it is"."""

    def __init__(self, what: str, *, lines: bool = False) -> None:
        widget = forms.Textarea(attrs={"rows": 6, "spellcheck": "false"}) if lines else forms.PasswordInput()
        text = f"Stored sealed and never shown. Leave it empty to keep the {what} that is there."
        super().__init__(required=False, widget=widget, help_text=text, strip=not lines)


class ApplicationForm(forms.ModelForm[Application]):
    """Seals what is typed into the secret fields."""

    build_time_limit = forms.IntegerField(
        required=False, initial=BUILD_SECONDS, min_value=1, max_value=86_400, help_text="Seconds."
    )
    new_deploy_key = SealedField("deploy key", lines=True)
    new_https_token = SealedField("token")
    new_artifact_token = SealedField("password or token for builds")
    forget_secrets = forms.BooleanField(required=False, help_text="Remove the stored deploy key and tokens.")

    class Meta:
        model = Application
        fields = [
            "name",
            "repository",
            "default_branch",
            "distribution",
            "https_user",
            "artifact_url",
            "artifact_sha256_url",
            "artifact_user",
            "build_command",
            "build_output",
            "build_time_limit",
        ]

    def clean_repository(self) -> str:
        address: str = self.cleaned_data["repository"]
        try:
            repositories.check_address(address)
        except repositories.RepositoryRefused as error:
            raise forms.ValidationError(str(error)) from error
        return address

    def clean_build_time_limit(self) -> int:
        return self.cleaned_data["build_time_limit"] or BUILD_SECONDS

    def save(self, commit: bool = True) -> Application:
        application = self.instance
        if self.cleaned_data["forget_secrets"]:
            application.deploy_key = application.https_token = application.artifact_token = ""
        for field in ("deploy_key", "https_token", "artifact_token"):
            typed = self.cleaned_data[f"new_{field}"].replace("\r\n", "\n")
            if typed:
                setattr(application, field, seal(typed))
        saved: Application = super().save(commit)
        return saved


@admin.register(Application)
class ApplicationAdmin(ByRole):
    form = ApplicationForm
    list_display = ["name", "repository", "default_branch", "distribution", "has_deploy_key", "has_token"]
    list_filter = ["distribution"]
    search_fields = ["name", "repository"]

    @admin.display(boolean=True)
    def has_deploy_key(self, application: Application) -> bool:
        return bool(application.deploy_key)

    @admin.display(boolean=True)
    def has_token(self, application: Application) -> bool:
        return bool(application.https_token)


@admin.register(GitHostKey)
class GitHostKeyAdmin(ReadOnly):
    """Keys are accepted by `manage.py hostkey scan --git`, where the fingerprint is compared; here they are removed."""

    list_display = ["host", "algorithm", "fingerprint", "accepted_by", "accepted_at"]
    search_fields = ["host"]

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return may_administer(request)

    def fingerprint(self, key: GitHostKey) -> str:
        return ssh.fingerprint(key.key)


@admin.register(HostKey)
class HostKeyAdmin(GitHostKeyAdmin):
    search_fields = ["host__name"]
    list_select_related = ["host"]

    def delete_model(self, request: HttpRequest, obj: HostKey) -> None:
        host_keys.distrust(obj, by=request.user.get_username())

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[HostKey]) -> None:
        for key in queryset.select_related("host"):
            host_keys.distrust(key, by=request.user.get_username())


@admin.register(KeyPair)
class KeyPairAdmin(ReadOnly):
    """Made and uploaded by `manage.py key`; the private part is shown nowhere."""

    list_display = ["id", "public", "active", "created_at"]
    fields = ["public", "active", "created_at"]


@admin.register(Token)
class TokenAdmin(ReadOnly):
    """Made by `manage.py token`; to delete one is to revoke it."""

    list_display = ["id", "user", "machine", "created_at", "used_at"]
    list_select_related = ["user"]
    list_filter = ["machine"]
    search_fields = ["user__username"]
    fields = ["user", "machine", "created_at", "used_at"]

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return may_administer(request)

    def delete_model(self, request: HttpRequest, obj: Token) -> None:
        tokens.revoke(obj, by=request.user.get_username())

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[Token]) -> None:
        for token in queryset.select_related("user"):
            tokens.revoke(token, by=request.user.get_username())


@admin.register(User)
class PersonAdmin(ByRole, UserAdmin[User]):
    """A person is a name, a password and a role. Disabling one keeps the history."""

    list_display = ["username", "first_name", "last_name", "email", "role", "is_active", "last_login"]
    list_filter = ["role", "is_active"]
    fieldsets: ClassVar[Any] = [
        (None, {"fields": ["username", "password"]}),
        ("Person", {"fields": ["first_name", "last_name", "email"]}),
        ("Access", {"fields": ["role", "is_active", "last_login", "date_joined"]}),
    ]
    add_fieldsets: Any = [(None, {"fields": ["username", "usable_password", "password1", "password2", "role"]})]
    readonly_fields = ["last_login", "date_joined"]
    filter_horizontal: ClassVar[Any] = []


@admin.register(Region)
class RegionAdmin(ByRole):
    list_display = ["name", "queue", "gateway"]
    list_select_related = ["gateway"]
    search_fields = ["name"]


@admin.register(Zone)
class ZoneAdmin(ByRole):
    list_display = ["name", "region"]
    list_select_related = ["region"]
    search_fields = ["name", "region__name"]


@admin.register(Environment)
class EnvironmentAdmin(ByRole):
    list_display = ["name", "position"]
    search_fields = ["name"]


class MembershipInline(InlineByRole, admin.TabularInline[Membership, Host]):
    model = Membership
    extra = 0


@admin.register(Host)
class HostAdmin(ByRole):
    list_display = ["name", "address", "port", "zone", "transport"]
    list_select_related = ["zone__region"]
    list_filter = ["transport", "zone"]
    search_fields = ["name", "address"]
    inlines = [MembershipInline]


@admin.register(Membership)
class MembershipAdmin(ByRole):
    list_display = ["host", "environment", "roles", "source"]
    list_select_related = ["host", "environment"]
    list_filter = ["environment", "source"]
    search_fields = ["host__name"]
    raw_id_fields = ["host"]


class StepInline(InlineByRole, admin.StackedInline[Step, Target]):
    model = Step
    form = StepRowForm
    extra = 0
    show_change_link = True


class TaskInline(InlineByRole, admin.StackedInline[Task, Target]):
    model = Task
    extra = 0


@admin.register(Target)
class TargetAdmin(ByRole):
    list_display = ["__str__", "root", "user", "keep", "needed"]
    list_select_related = ["application", "environment"]
    list_filter = ["environment"]
    search_fields = ["application__name", "environment__name", "root"]
    autocomplete_fields = ["application", "environment"]
    raw_id_fields = ["parent", "runner"]
    inlines = [StepInline, TaskInline]


@admin.register(Step)
class StepAdmin(ByRole):
    form = StepForm
    list_display = ["name", "target", "phase", "position", "preset", "command"]
    list_select_related = ["target__application", "target__environment"]
    list_filter = ["phase", "preset"]
    search_fields = ["name", "command"]
    raw_id_fields = ["target"]
