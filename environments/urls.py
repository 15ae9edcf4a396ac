"""Addresses of signing in and out, of coming in for the first time, and of the settings."""

from django.urls import path

from environments import (
    heartbeat_pages,
    permission_actions,
    permission_pages,
    second_factor_pages,
    source_actions,
    source_pages,
    window_pages,
)
from environments import setting_actions as actions
from environments import settings_pages as pages
from environments.access import ANYONE, needs
from environments.horn import horn
from environments.pages import SignIn, SignOut
from environments.welcome_pages import welcome

urlpatterns = [
    path("signin", needs(ANYONE)(SignIn.as_view()), name="signin"),
    path("signin/second", second_factor_pages.second_factor, name="second-factor"),
    path("signout", needs(ANYONE)(SignOut.as_view()), name="signout"),
    path("join/<str:key>/<str:token>", actions.join, name="join"),
    path("settings", pages.mine, name="settings"),
    path("settings/horn", horn, name="horn"),
    path("settings/password", actions.change_password, name="change-password"),
    path("settings/day-end", actions.set_day_end, name="set-day-end"),
    path("settings/second-factor", second_factor_pages.own, name="second-factors"),
    path("settings/second-factor/prove", second_factor_pages.prove_again, name="prove-again"),
    path("settings/second-factor/app", second_factor_pages.add_app, name="add-app"),
    path("settings/second-factor/passkey", second_factor_pages.add_passkey, name="add-passkey"),
    path("settings/second-factor/codes", second_factor_pages.renew_codes, name="renew-codes"),
    path("settings/second-factor/<int:factor_id>/remove", second_factor_pages.remove, name="remove-factor"),
    path("settings/people", pages.people, name="settings-people"),
    path("settings/people/invite", actions.invite, name="invite"),
    path("settings/people/of/<str:username>", pages.person, name="settings-person"),
    path("settings/people/<str:username>/tries/forget", actions.forget_tries, name="forget-tries"),
    path("settings/people/<str:username>/factors/take", actions.take_factors, name="take-factors"),
    path("settings/people/<str:username>/link", actions.make_link, name="make-link"),
    path("settings/people/<str:username>/role", actions.set_role, name="set-role"),
    path("settings/people/<str:username>/disable", actions.disable, name="disable-person"),
    path("settings/people/<str:username>/enable", actions.enable, name="enable-person"),
    path("settings/teams", permission_pages.teams, name="settings-teams"),
    path("settings/teams/make", permission_actions.make_team, name="make-team"),
    path("settings/teams/<slug:team>/rename", permission_actions.rename_team, name="rename-team"),
    path("settings/teams/<slug:team>/remove", permission_actions.remove_team, name="remove-team"),
    path("settings/teams/<slug:team>/members/add", permission_actions.add_member, name="add-member"),
    path(
        "settings/teams/<slug:team>/members/<str:username>/remove",
        permission_actions.remove_member,
        name="remove-member",
    ),
    path("settings/permissions", permission_pages.permissions, name="settings-permissions"),
    path("settings/permissions/everyone", permission_actions.set_everyones, name="set-everyones"),
    path("settings/permissions/grants/give", permission_actions.give_grant, name="give-grant"),
    path("settings/permissions/grants/<int:grant_id>/take", permission_actions.take_grant, name="take-grant"),
    path("settings/tokens", pages.tokens, name="settings-tokens"),
    path("settings/tokens/make", actions.make_token, name="make-token"),
    path("settings/tokens/<int:token_id>/revoke", actions.revoke_token, name="revoke-token"),
    path("settings/keys", pages.keys, name="settings-keys"),
    path("settings/keys/upload", actions.upload_key, name="upload-key"),
    path("settings/environments", pages.environments, name="settings-environments"),
    path("settings/environments/add", actions.add_environment, name="add-environment"),
    path("settings/environments/<slug:name>/move", actions.move_environment, name="move-environment"),
    path(
        "settings/environments/<slug:name>/protect", permission_actions.protect_environment, name="protect-environment"
    ),
    path("settings/environments/<slug:name>/remove", actions.remove_environment, name="remove-environment"),
    path("settings/regions", pages.regions, name="settings-regions"),
    path("settings/regions/add", actions.add_region, name="add-region"),
    path("settings/regions/<slug:name>/change", actions.change_region, name="change-region"),
    path("settings/regions/<slug:name>/remove", actions.remove_region, name="remove-region"),
    path("settings/regions/<slug:name>/zones/add", actions.add_zone, name="add-zone"),
    path("settings/regions/<slug:name>/zones/<slug:zone>/remove", actions.remove_zone, name="remove-zone"),
    path("settings/windows", window_pages.all_windows, name="windows"),
    path("settings/windows/freezes/make", window_pages.make_freeze, name="make-freeze"),
    path("settings/windows/freezes/<int:freeze_id>/lift", window_pages.lift_freeze, name="lift-freeze"),
    path("settings/environments/<slug:name>/windows/add", window_pages.add_window, name="add-window"),
    path("settings/environments/<slug:name>/windows/remove", window_pages.remove_window, name="remove-window"),
    path("settings/environments/<slug:name>/windows/outside", window_pages.set_outside, name="set-outside"),
    path("settings/sources", source_pages.sources, name="settings-sources"),
    path("settings/sources/add", source_actions.add, name="add-source"),
    path("settings/sources/heartbeats/make", heartbeat_pages.make, name="make-heartbeat"),
    path("settings/sources/heartbeats/<int:beat_id>/revoke", heartbeat_pages.revoke, name="revoke-heartbeat"),
    path("settings/sources/of/<slug:source>", source_pages.source, name="settings-source"),
    path("settings/sources/of/<slug:source>/change", source_actions.change, name="change-source"),
    path("settings/sources/of/<slug:source>/refresh", source_actions.refresh, name="refresh-source"),
    path("settings/sources/of/<slug:source>/accept", source_actions.accept, name="accept-removal"),
    path("settings/sources/of/<slug:source>/remove", source_actions.remove, name="remove-source"),
    path("settings/steps", pages.steps, name="settings-steps"),
    path("welcome/<str:secret>", welcome, name="welcome"),
]
