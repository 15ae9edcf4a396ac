"""The page behind a one-time link: choose a name and a password, and be signed in."""

from typing import Any

from django import forms
from django.contrib.auth import login
from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods

from environments import signin_links
from environments.access import ANYONE, needs
from environments.models import User

BACKEND = "django.contrib.auth.backends.ModelBackend"


class WelcomeForm(forms.Form):
    full_name = forms.CharField(max_length=150, label="Your name", help_text="As others see it beside your deploys.")
    username = forms.CharField(max_length=150, label="User name", help_text="What you type to sign in.")
    password = forms.CharField(
        widget=forms.PasswordInput(render_value=True),
        label="Password",
        help_text="At least 8 characters; long is better than odd.",
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        completes = {"full_name": "name", "username": "username", "password": "new-password"}
        for name, field in self.fields.items():
            field.widget.attrs |= {"class": "dp-fld dp-fld-l", "autocomplete": completes[name]}
        self.fields["full_name"].widget.attrs["autofocus"] = True

    def clean_username(self) -> str:
        name: str = self.cleaned_data["username"]
        User._meta.get_field("username").run_validators(name)
        if User.objects.filter(username__iexact=name).exists():
            raise ValidationError("Somebody is called so already. Choose another name.")
        return name

    def clean(self) -> dict[str, Any] | None:
        """The password is looked at beside the name that was chosen, which it must not resemble."""
        cleaned: dict[str, Any] = super().clean() or self.cleaned_data
        if "password" in cleaned:
            person = User(username=cleaned.get("username", ""), first_name=cleaned.get("full_name", ""))
            try:
                validate_password(cleaned["password"], person)
            except ValidationError as error:
                self.add_error("password", error)
        return cleaned


@sensitive_post_parameters("password")
@require_http_methods(["GET", "HEAD", "POST"])
@needs(ANYONE)
def welcome(request: HttpRequest, secret: str) -> HttpResponse:
    """Looking at the page uses nothing up, so that a preview of the link does no harm."""
    try:
        signin_links.find(secret)
        form = WelcomeForm(request.POST or None)
        if request.method == "POST" and form.is_valid():
            login(request, signin_links.use(secret, signin_links.Chosen(**form.cleaned_data)), backend=BACKEND)
            return redirect("start")
        answer = render(request, "environments/welcome.html", {"form": form}, status=422 if form.is_bound else 200)
    except signin_links.LinkUnusable as error:
        answer = render(request, "environments/welcome_gone.html", {"error": str(error)}, status=410)
    # no site learns the link from a Referer: "same-origin" is set for all pages, and with "no-referrer" a browser would
    # send the form with the origin "null", which no form of ours may have
    answer["Cache-Control"] = "no-store"
    return answer
