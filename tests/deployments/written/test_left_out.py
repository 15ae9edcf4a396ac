"""Everything that a person sets up is written down, or stands below with the reason why it is not."""

from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import pytest
from django.apps import apps
from django.db import IntegrityError, models
from django.db.models import Model
from django.utils import timezone

from deployments import models as work
from deployments.written import applying, planning
from deployments.written.export import export
from deployments.written.sections import SECTIONS
from environments import models as places
from environments.sealed import seal
from notifications import models as told
from tests.deployments.written.test_written import SECRETS, WHOLE
from tests.undone import undone

OURS = ("environments", "deployments", "notifications", "deployer_site")
WRITTEN = [model for section in SECTIONS for model in section.models]
LEFT_OUT: dict[str, tuple[type[Model], ...]] = {
    "what was done, and what came of it": (
        *(work.Deploy, work.HostRun, work.Program, work.LogChunk, work.Release, work.HeldRelease, work.Placement),
        *(work.Standing, work.Worker, work.Approval, work.Observation, told.Event, told.Message),
        *(told.Delivery, told.Posted),
        *(work.HookDelivery, work.HookDecision, work.Check),
    ),
    "a person's own": (work.Star, places.Token, places.SignInLink),
    "a person holds or wants something for a time": (
        *(places.Lock, places.LockRequest, places.LockQuestion, places.SpentLink),
        *(places.Reservation, places.Calendar, places.Endpoint),
    ),
    "each installation makes its own": (places.KeyPair, places.Signer),
    "a source says it again": (places.GivenHost,),
    "a provider says it again": (places.Identity, places.GroupMembership),
    "nobody is locked out by a file": (places.SignInRules,),
    "a token belongs to it, which is shown once": (places.Heartbeat,),
    "a secret belongs to it, which is shown once": (places.HookSource,),
    "what a store said for a release": (places.FetchedSecrets,),
}
MORE = """
hosts: {far: {address: 192.0.2.4, observed: true, observed_root: /srv/shop}}
environments: {staging: {}, production: {}, load: {}}
targets:
  shop/staging: {tasks: [{name: clear-cache, command: rm, parameters: [{name: key}]}, {name: show, command: ls}]}
configuration:
  environment staging: {COLOUR: blue}
  environment load: {COLOUR: red}
  region eu-west: {COLOUR: green}
  zone eu-west/a: {COLOUR: white}
teams: {searchers: {}}
policies: {shop/staging: {automatic: true, names: [CI], paths: [src/**]}}
sign_in: {okta: {title: Okta, issuer: "https://example.okta.com", client_id: deployer}}
"""
_BY = "who did it, and when, is in the activity"
_NOTED = "the Deployer notes it itself"
_KEY = "what else it is called by"
APART: dict[type[Model], dict[str, str]] = {
    places.Host: {
        **dict.fromkeys(("aside", "aside_why", "aside_by", "aside_at"), "somebody wants it so for a time"),
        **dict.fromkeys(("asked_at", "heard_at"), _NOTED),
        **dict.fromkeys(("note_by", "note_at"), _BY),
        "transport": "there is but one",
    },
    places.HostKey: {"accepted_by": _BY, "accepted_at": _BY, "algorithm": "the key says it"},
    places.Membership: {"source": "what a source says is left to it"},
    places.HostSource: {
        "created_at": _BY,
        **dict.fromkeys(("version", "due_at", "looked_at", "good_at", "trouble", "trouble_since", "leaving"), _NOTED),
    },
    places.GitHostKey: {"accepted_by": _BY, "accepted_at": _BY, "algorithm": "the key says it"},
    places.HostAuthority: {"accepted_by": _BY, "accepted_at": _BY, "algorithm": "the key says it"},
    places.Application: {"deploy_key": "each installation makes its own"},
    places.Target: {
        "name": "an endpoint lives for a time",
        "parent": "an endpoint lives for a time",
        "left_at": _NOTED,
        "last_number": _NOTED,
        "fence": _NOTED,
        "configuration_at": _NOTED,
    },
    places.SignInProvider: {"created_at": _BY, "asked_at": _NOTED, "trouble": _NOTED},
    places.SecretStore: {"created_at": _BY, "asked_at": _NOTED, "trouble": _NOTED},
    told.Channel: {
        "created_at": _BY,
        **dict.fromkeys(("stopped", "trouble", "trouble_at", "sent_at", "claim", "claimed_until"), _NOTED),
    },
    places.ConfigurationValue: {
        **dict.fromkeys(("by", "by_name", "at", "undoes"), _BY),
        **dict.fromkeys(("content", "seen_version"), _NOTED),
        "layer": "which of its columns is not empty says it",
        "latest": "what was set before is in the activity",
    },
    places.User: {
        **dict.fromkeys(("password", "session_mark", "calendar_digest"), "a secret"),
        **dict.fromkeys(("horn", "horn_volume", "day_ends"), "a person's own"),
        **dict.fromkeys(("last_login", "date_joined"), _NOTED),
        "is_staff": "the role says it",
        "hook": "accounts of hooks belong to their source",
        "came": _NOTED,
    },
    places.DefaultRoles: {},
    places.Grant: {"given_by": _BY, "given_at": _BY},
    places.Freeze: {
        **dict.fromkeys(("by", "by_name", "lifted_by_name"), _BY),
        "environment": "the scope says it",
        "target": "the scope says it",
    },
}


@pytest.fixture
def whole(db: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """One row or more of everything."""
    for name, value in SECRETS.items():
        monkeypatch.setenv(name, value)
    whole = WHOLE.replace("people:\n", "people:\n  grace: {role: deployer}\n")
    applying.apply(planning.read(whole), by=None)
    applying.apply(planning.read(MORE), by=None)


def test_each_model_is_written_down_or_left_out_for_a_reason() -> None:
    ours = {model for name in OURS for model in apps.get_app_config(name).get_models()}
    left_out = [model for models_ in LEFT_OUT.values() for model in models_]
    assert len(set(WRITTEN)) == len(WRITTEN)
    assert not set(WRITTEN) & set(left_out)
    lacking = {model.__name__ for model in ours - set(WRITTEN) - set(left_out)}
    assert not lacking, f"write {lacking} down (deployments/written/sections), or say here why not"
    assert set(left_out) <= ours


@pytest.mark.usefixtures("whole")
def test_each_column_shows_in_what_is_written_or_is_left_out_for_a_reason() -> None:
    """Not by its name: a row is changed, and the text must be another one."""
    silent = [f"{model.__name__}.{column.name}" for model, column in _columns() if not _shows(model, column)]
    assert not silent, ", ".join(silent)


def _columns() -> Iterator[tuple[type[Model], Any]]:
    for model in WRITTEN:
        for column in model._meta.concrete_fields:
            if not column.primary_key and column.name not in APART.get(model, {}):
                yield model, column


def _shows(model: type[Model], column: Any) -> bool:
    """In its own section, which is quick to look at, or in another one."""
    rows = list(model._default_manager.all())
    assert rows, f"the test's set-up has no {model.__name__}"
    own = [section.name for section in SECTIONS if model in section.models]
    return any(_shows_in(row, column, sections) for sections in (own, []) for row in rows)


def _shows_in(row: Model, column: Any, sections: list[str]) -> bool:
    before = export(sections)
    for value in _others(row, column):
        with suppress(IntegrityError), undone():  # another row may be so already
            type(row)._default_manager.filter(pk=row.pk).update(**{column.name: value})
            if export(sections) != before:
                return True
    return False


def _others(row: Model, column: Any) -> Iterator[Any]:
    """Values that it could have instead."""
    now = getattr(row, column.name)
    if column.is_relation:
        yield from column.related_model._default_manager.exclude(pk=now.pk if now else None)
        if column.null:
            yield None
    elif column.choices:
        yield from (value for value, _ in column.choices if value != now)
    elif isinstance(column, models.BooleanField):
        yield not now
    elif isinstance(column, models.IntegerField):
        yield (now or 0) + 5
    elif isinstance(column, models.DateTimeField):
        yield now.replace(minute=17) if now else timezone.now()
    elif isinstance(column, models.JSONField):
        yield type(now)() if now else {"other": "text"} if isinstance(now, dict) else ["other"]
    else:
        yield from ("lint", seal("other"), "")
