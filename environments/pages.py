"""Signing in and out."""

from typing import Any

from django.contrib.auth.forms import AuthenticationForm
from django.contrib.auth.views import LoginView, LogoutView
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.http import require_http_methods

from environments import mail, tries
from environments.access import ANYONE, needs
from environments.models import SignInProvider, User
from environments.providers import passwords
from environments.second_factor_pages import CAME_BY, begin_session
from notifications.events import record


class SignInForm(AuthenticationForm):
    """One sentence for every failure, so that nobody learns which names exist."""

    error_messages = {
        "invalid_login": "This name and password do not belong together. Nothing else was checked; try again.",
        "inactive": "This name and password do not belong together. Nothing else was checked; try again.",
    }

    def __init__(self, request: HttpRequest | None = None, *args: Any, **kwargs: Any) -> None:
        super().__init__(request, *args, **kwargs)
        for name, field in self.fields.items():
            field.widget.attrs.update({"class": "dp-fld dp-fld-l", "id": f"signin-{name}"})
            field.widget.is_required = True


class SignIn(LoginView):
    """The sign-in page. `next` is followed only within this site (LoginView checks it)."""

    template_name = "environments/signin.html"
    authentication_form = SignInForm
    redirect_authenticated_user = True

    def get_context_data(self, **more: Any) -> dict[str, Any]:
        """With the buttons of providers, and whom passwords let in."""
        left = self.request.GET.get("left", "")
        return super().get_context_data(**(ways_in(left) | more))

    def form_valid(self, form: AuthenticationForm) -> HttpResponse:
        person = form.get_user()
        assert isinstance(person, User)
        return begin_session(self.request, person, self.get_success_url())

    def form_invalid(self, form: AuthenticationForm) -> HttpResponse:
        name = form.cleaned_data.get("username")
        until = tries.barred_until(name, tries.address_of(self.request)) if name else None
        answer = self.render_to_response(self.get_context_data(form=form, barred_until=until))
        answer.status_code = 429 if until else 422
        if until:
            answer["Retry-After"] = str(tries.TooManyTries(until).seconds)
        return answer


def ways_in(left: str = "") -> dict[str, Any]:
    """What the sign-in page offers; `left`: the name of the provider by which somebody came who has just signed out."""
    providers = list(SignInProvider.objects.filter(enabled=True))
    return {
        "providers": providers,
        "passwords_for_all": not providers or passwords.are_for_all(),
        "left": next((one for one in providers if one.name == left), None),
    }


def refuse_sign_in(request: HttpRequest, facts: dict[str, Any]) -> HttpResponse:
    """The sign-in page with a reason why somebody was not let in."""
    context = ways_in() | {"form": SignInForm(request)} | facts
    return render(request, "environments/signin.html", context, status=422)


@require_http_methods(["GET", "HEAD", "POST"])
@needs(ANYONE)
def forgotten(request: HttpRequest) -> HttpResponse:
    """Ask for a link by mail. The answer is the same whoever is meant."""
    context: dict[str, Any] = {"mails": mail.is_on()}
    status = 200
    if request.method == "POST" and context["mails"]:
        try:
            mail.ask_for_link(request, request.POST.get("username", "").strip().lower()[:150])
            context["asked"] = True
        except tries.TooManyTries as refused:
            context["barred_until"], status = refused.until, 429
    return render(request, "environments/forgotten.html", context, status=status)


class SignOut(LogoutView):
    """Ends the session; only by POST, so that no link and no picture signs anyone out."""

    def post(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        user, came_by = request.user, request.session.get(CAME_BY, "")
        with transaction.atomic():
            if isinstance(user, User):
                record("signed_out", user.username)
            answer = super().post(request, *args, **kwargs)
        return redirect(f"{reverse('signin')}?left={came_by}") if came_by else answer
