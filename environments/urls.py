"""Addresses of signing in and out."""

from django.urls import path

from environments.access import ANYONE, needs
from environments.pages import SignIn, SignOut

urlpatterns = [
    path("signin", needs(ANYONE)(SignIn.as_view()), name="signin"),
    path("signout", needs(ANYONE)(SignOut.as_view()), name="signout"),
]
