"""Every route and every operation of the API, asked by everyone there is, about what is theirs and what is not.

The rows below are written by hand: what a door needs, and what its address is about. A door that has no row here, or
declares something else than its row, fails. What is expected of each person follows from the row and from a table of
roles that is this test's own.
"""

import re
import zlib
from collections.abc import Iterator
from datetime import timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings as django_settings
from django.test import Client
from django.urls import get_resolver, reverse
from pytest_django import Settings

from deployments.api.api import api
from deployments.api.auth import HeartbeatToken
from deployments.hooks import sources
from deployments.models import HookDelivery
from deployments.states import DeployStatus
from environments import granting, locks, teams, tokens, windows
from environments.access import ADMINISTER, ANYONE, DEPLOY, LOCK, MAINTAIN, REORDER, SIGNED_IN, TAKE_LOCKS, VIEW
from environments.models import (
    EndpointOffer,
    Heartbeat,
    HostAuthority,
    HostSource,
    Role,
    SecretStore,
    SignInProvider,
    Task,
    User,
)
from notifications.models import Channel
from tests import builders
from tests.deployer_site.test_every_route import routes
from tests.ports import closed_port
from tests.undone import undone

pytestmark = pytest.mark.django_db

# What each role may, as docs/permissions.md says it.
MAY = {
    Role.GUEST: {ANYONE, SIGNED_IN},
    Role.VIEWER: {ANYONE, SIGNED_IN, VIEW},
    Role.DEPLOYER: {ANYONE, SIGNED_IN, VIEW, DEPLOY, LOCK},
    Role.MAINTAINER: {ANYONE, SIGNED_IN, VIEW, DEPLOY, LOCK, TAKE_LOCKS, MAINTAIN, REORDER},
    Role.ADMINISTRATOR: {ANYONE, SIGNED_IN, VIEW, DEPLOY, LOCK, TAKE_LOCKS, MAINTAIN, REORDER, ADMINISTER},
}
NOTHING, LIST, LOCKED, FREEZE = (
    "",
    "anywhere",
    "a lock",
    "a freeze",
)  # about no place at all; about whatever one may see
TARGET, APPLICATION, ENVIRONMENT, HOST, DEPLOYMENT = (
    "of_target", "of_application", "of_environment", "of_host", "of_deploy",
)  # fmt: skip

PAGES: dict[tuple[str, str], str] = {
    (ANYONE, NOTHING): (
        "healthz readyz metrics signin second-factor forgotten signout join welcome lock-link calendar-feed take-hook"
        " provider-go provider-back provider-leave"
    ),
    (SIGNED_IN, NOTHING): (
        "second-factors prove-again add-app add-passkey renew-codes remove-factor"
        " home home-rows settings horn change-password set-day-end settings-tokens make-token revoke-token"
        " settings-teams calendar-address choices"
    ),
    (VIEW, LIST): (
        "locks reservations tell-me palette search waiting activity activity-csv environments hosts settings-steps"
        " windows hooks"
    ),
    (VIEW, DEPLOYMENT): "deploy log-text log-lines log-hits deploy-commits rollback-preview approve refuse",
    (REORDER, DEPLOYMENT): "move-to-front",
    (VIEW, TARGET): (
        "configuration target target-commits task new-deploy new-deploy-refs new-deploy-plan star approvals policy"
    ),
    (VIEW, APPLICATION): "application application-commits",
    (VIEW, ENVIRONMENT): "environment calendar",
    (VIEW, HOST): "host",
    (DEPLOY, DEPLOYMENT): "cancel retry flip rollback redeploy let-go drop",
    (LOCK, LIST): (
        "take-lock answer-question release-lock extend-lock ask-holder join-line leave-line confirm-lock"
        " import-reservations book move-reservation cancel-reservation"
    ),
    (TAKE_LOCKS, LIST): "take-over",
    (DEPLOY, TARGET): (
        "deploy-configuration run-task converge start-deploy rehearsal new-deploy-start make-endpoint extend-endpoint"
        " take-away-endpoint"
    ),
    (DEPLOY, ENVIRONMENT): "ask-environment",
    (DEPLOY, HOST): "note-host ask-host set-aside take-back",
    (DEPLOY, "of_host_and_target"): "converge-host",
    (MAINTAIN, LIST): "add-target new-step new-task check-folder make-freeze lift-freeze",
    (MAINTAIN, TARGET): "edit-target edit-tasks set-value remove-value undo-change set-delivery set-policy",
    (MAINTAIN, APPLICATION): (
        "connect-application check-repository read-repository choose-branch renew-key change-distribution"
        " hook-delivery replay-hook"
    ),
    (MAINTAIN, "within_environment"): "check-host check-all-hosts",
    (ADMINISTER, APPLICATION): "remove-application renew-hook-secret remove-hook-source",
    (ADMINISTER, TARGET): "set-approvals",
    (ADMINISTER, ENVIRONMENT): (
        "protect-environment add-window remove-window set-outside endpoint-offer withdraw-endpoint-offer"
    ),
    (ADMINISTER, LIST): "settings-permissions give-grant take-grant settings-hooks make-hook-source",
    (ADMINISTER, NOTHING): (
        "settings-people settings-person forget-tries take-factors set-email mail-link invite make-link set-role"
        " disable-person enable-person settings-keys upload-key"
        " settings-environments add-environment move-environment remove-environment settings-regions add-region"
        " change-region remove-region add-zone remove-zone start add-application trust-git-host add-hosts check-hosts"
        " trust-hosts paste-known-hosts use-key change-host take-out-host scan-keys accept-key distrust-key place-host"
        " make-team rename-team remove-team add-member remove-member set-everyones"
        " settings-sources add-source settings-source change-source refresh-source accept-removal remove-source"
        " make-heartbeat revoke-heartbeat label-host take-up-host name-folder"
        " settings-channels add-channel change-channel deliveries try-channel resume-channel remove-channel"
        " settings-trust look-at-keys approve-keys trust-authority distrust-authority"
        " set-signer renew-signer remove-signer"
        " settings-stores add-store change-store try-store remove-store"
        " settings-providers add-provider change-provider try-provider remove-provider map-group unmap-group"
        " set-passwords unlink-identity"
    ),
}
ROWS = {name: row for row, names in PAGES.items() for name in names.split()}
ROUTES = {str(route.name): route for route in routes(get_resolver(django_settings.ROOT_URLCONF))}

OPERATIONS: dict[tuple[str, str], str] = {
    (VIEW, LIST): (
        "list_applications list_environments list_hosts list_targets list_deploys list_locks list_reservations"
        " list_freezes list_waiting list_sources list_hook_deliveries"
    ),
    (VIEW, ENVIRONMENT): "read_windows list_heartbeats read_endpoint_offer",
    (ADMINISTER, ENVIRONMENT): "set_windows set_protection set_endpoint_offer withdraw_endpoint_offer",
    (MAINTAIN, LIST): "make_freeze",
    (MAINTAIN, FREEZE): "lift_freeze",
    (DEPLOY, HOST): "note_host probe_host set_host_aside take_host_back",
    (VIEW, TARGET): (
        "read_target preview_rollback list_tasks read_configuration list_changes list_differences read_approvals"
        " list_endpoints read_policy explain_policy"
    ),
    (ADMINISTER, TARGET): "set_approvals",
    (VIEW, DEPLOYMENT): "read_deploy read_log search_log approve refuse",
    (REORDER, DEPLOYMENT): "move_to_front",
    (VIEW, LOCKED): "read_lock read_reservation",
    (LOCK, LOCKED): "release extend ask answer join_line leave_line confirm move_reservation cancel_reservation",
    (TAKE_LOCKS, LOCKED): "take",
    (LOCK, LIST): "take_lock book",
    (DEPLOY, TARGET): (
        "deploy_configuration start_deploy rehearse roll_back converge run_task make_endpoint extend_endpoint"
        " take_endpoint_away"
    ),
    (DEPLOY, DEPLOYMENT): "cancel retry flip let_go drop",
    (MAINTAIN, TARGET): "add_target set_delivery set_value remove_value undo_change set_policy",
    (MAINTAIN, APPLICATION): "read_hook_delivery replay_hook",
    (ADMINISTER, APPLICATION): "renew_hook_secret remove_hook_source",
    (ADMINISTER, NOTHING): (
        "add_application add_hosts preview_source add_source change_source refresh_source accept_removal remove_source"
        " mail_person_link forget_person_tries take_person_factors"
        " list_people invite_person change_person make_person_link add_team change_team delete_team put_member"
        " delete_member change_everyone make_heartbeat revoke_heartbeat label_host name_folder take_up_host"
        " list_unconfirmed look_at_keys approve_keys list_authorities trust_authority distrust_authority"
        " read_signer set_signer renew_signer remove_signer"
        " list_stores add_store change_store try_store remove_store"
        " list_channels add_channel change_channel try_channel resume_channel remove_channel list_deliveries"
        " list_providers add_provider change_provider try_provider remove_provider list_mappings map_group unmap_group"
        " read_passwords change_passwords"
    ),
    (HeartbeatToken.permission, NOTHING): "beat",
    (
        ADMINISTER,
        LIST,
    ): "list_teams list_grants add_grant delete_grant read_everyone list_hook_sources make_hook_source",
    (SIGNED_IN, NOTHING): "list_messages list_tokens make_token revoke_token",
}
API_ROWS = {name: row for row, names in OPERATIONS.items() for name in names.split()}


def operations() -> Iterator[tuple[str, str, str, Any]]:
    """Name, method, path and the operation itself."""
    for _, router in api._routers:
        for path, view in router.path_operations.items():
            for operation in view.operations:
                yield operation.view_func.__name__, operation.methods[0], path, operation


# What they ask for besides their place is not there.
LACKING = {"remove_value", "undo_change", "answer", "delete_grant"}
BODIES: dict[str, dict[str, Any]] = {
    "note_host": {"text": "x"},
    "set_host_aside": {"how": "drained", "reason": "x"},
    "set_value": {"value": "x"},
    "take": {"reason": "urgent"},
    "ask": {"text": "may I?"},
    "extend": {"until": None},
    "move_reservation": {"starts": "2036-01-01T09:00:00Z", "ends": "2036-01-01T10:00:00Z"},
    "set_approvals": {"number": 0},
    "set_windows": {"windows": []},
    "set_protection": {"protected": True},
    "set_endpoint_offer": {"address": "http://{application}-{endpoint}.example"},
    "make_endpoint": {"branch": "main"},
    "answer": {"question": 1, "answer": "no"},
    "approve": {"subject": "x"},
    "refuse": {"subject": "x", "word": "not now"},
}
API = {name: (method, path, operation) for name, method, path, operation in operations()}


class World:
    """One of everything that is theirs and of everything that is not; people with a role there, or everywhere."""

    def __init__(self, folder: Path) -> None:
        self.own = self._place(folder, "shop", "staging", "web-1", "europe")
        self.foreign = self._place(folder, "hidden-app", "hidden-env", "hidden-host", "hidden-region")
        self.people: dict[tuple[str, str], User] = {}
        for role in Role.values:
            self.people["everywhere", role] = builders.make_user(username=f"all-{role}", role=role)
            if role != Role.GUEST:
                person = builders.make_user(username=f"there-{role}", role=Role.GUEST)
                target = self.own["target"]
                place = {"application": target.application, "environment": target.environment}
                granting.give(person, role, **place, by=None)
                self.people["there", role] = person
        builders.make_token(user=self.people["everywhere", Role.VIEWER])
        Channel.objects.create(name="releases", kind="web-hook", settings={"address": "https://hooks.example/"})
        corp = SignInProvider.objects.create(name="corp", title="Corp", issuer=f"http://127.0.0.1:{closed_port()}")
        self.identity = corp.identities.create(subject="9", user=self.people["everywhere", Role.VIEWER])
        SecretStore.objects.create(name="vault", kind="command", settings={"command": "/bin/true"})
        self.authority = HostAuthority.objects.create(patterns="*", algorithm="x", key="eA==", accepted_by="tests").pk
        for name, thing in (("painters", self.own), ("plumbers", self.foreign)):  # who gives roles sees all teams
            team, target, thing["team"] = teams.make(name, by=None), thing["target"], name
            place = {"application": target.application, "environment": target.environment}
            thing["grant"] = granting.give(team, Role.DEPLOYER, **place, by=None).pk
        for thing in (self.own, self.foreign):
            scope = locks.find(f"{thing['app']}/{thing['env']}", viewer=None)
            until = locks.clock() + timedelta(hours=1)
            holder = self.people["everywhere", Role.ADMINISTRATOR]
            hook, _ = sources.make("github", thing["target"].application, by=None)
            came = {"source": hook, "received_at": until, "decision": "noted", "body": zlib.compress(b"{}")}
            thing["hook"], thing["delivery"] = hook.pk, HookDelivery.objects.create(**came).pk
            thing["lock"] = locks.acquire(scope, by=holder, reason="busy", until=until).pk
            (booked,) = locks.book(scope, by=holder, reason="later", starts=until, ends=until + timedelta(hours=1))
            thing["reservation"] = booked.pk
            thing["freeze"] = windows.freeze(
                scope, by=None, reason="the fair", starts=until, ends=until + timedelta(hours=1)
            ).pk

    def _place(self, folder: Path, app: str, env: str, host: str, region: str) -> dict[str, Any]:
        builders.make_repository(folder / app)
        application = builders.make_application(name=app, repository=folder / app)
        environment = builders.make_environment(name=env)
        target = builders.make_target(application=application, environment=environment)
        machine = builders.make_host(name=host, environment=environment, zone=builders.make_zone(region=region), port=9)
        key = machine.keys.create(algorithm="ssh-ed25519", key=builders.PUBLIC_KEY, accepted_by="tests")
        deploy = builders.make_deploy(target=target, status=DeployStatus.PARTIAL)
        builders.make_run(deploy=deploy, host=machine)
        Task.objects.create(target=target, name="restart", command="true")
        builders.make_endpoint(parent=target, name="branch")
        EndpointOffer.objects.create(environment=environment, address="http://{application}-{endpoint}.example")
        listed = {"lines": "deploy@127.0.0.1:9"}
        source = HostSource.objects.create(name=f"from-{env}", kind="lines", environment=environment, settings=listed)
        beat = Heartbeat.objects.create(source=source, name=host, address="10.0.0.9", digest=f"of {host}")
        names = {"app": app, "env": env, "host": host, "region": region, "source": source.name, "beat": beat.pk}
        return {"target": target, "deploy": deploy.pk, "key": key.pk, **names}

    def words(self, thing: dict[str, Any], route: str) -> dict[str, Any]:
        """A value for every parameter that an address can have."""
        name = thing["app"]
        kinds = {"hosts/": "host", "environments/<slug:environment>": "host", "environments/": "env"}
        kinds |= {"settings/regions": "region", "settings/environments": "env"}
        for beginning, kind in kinds.items():
            if route.startswith(beginning):
                name = thing[kind]
                break
        if "/tasks/" in route:
            name = "restart"
        token = self.people["everywhere", Role.VIEWER].tokens.first()
        assert token
        people = {
            "team": thing["team"],
            "source": thing["source"],
            "store": "vault",
            "channel": "releases",
            "provider": "corp",
            "mapping_id": 1,
            "identity_id": self.identity.pk,
            "grant_id": thing["grant"],
            "username": "all-viewer",
            "token_id": token.pk,
            "factor_id": 1,
            "authority_id": self.authority,
            "what": "people",
            "key": "MQ",
            "token": "spent",
            "secret": "spent",
        }
        places = {
            "application": thing["app"],
            "environment": thing["env"],
            "name": name,
            "zone": "a",
            "task": "restart",
            "layer": "target",
            "change": 1,
            "change_id": 1,
            "lock_id": thing["lock"],
            "reservation_id": thing["reservation"],
            "freeze_id": thing["freeze"],
            "beat_id": thing["beat"],
            "host": thing["host"],
            "question_id": 1,
            "hook_id": thing["hook"],
            "delivery_id": thing["delivery"],
            "kind": "github",
            "endpoint": "branch",
        }
        return {"deploy_id": thing["deploy"], "key_id": thing["key"], **people, **places}


ABSENT = {
    "app": "absent",
    "env": "absent",
    "host": "absent",
    "region": "absent",
    "deploy": 987654,
    "key": 987654,
    "lock": 987654,
    "reservation": 987654,
    "freeze": 987654,
    "grant": 987654,
    "team": "absent",
    "source": "absent",
    "beat": 987654,
    "hook": 987654,
    "delivery": 987654,
}


@pytest.fixture
def world(tmp_path: Path, settings: Settings) -> World:
    settings.REPOSITORY_ROOTS, settings.VAR = [tmp_path], tmp_path / "var"
    return World(tmp_path)


def allowed(who: tuple[str, str], permission: str, about: str, *, own: bool) -> bool:
    """Whether this person may, by the tables above alone."""
    where, role = who
    if permission in MAY[Role.GUEST]:
        return True
    if permission not in MAY[Role(role)]:
        return False
    if where == "everywhere":
        return True
    if about == LIST:
        return True
    if about == NOTHING or not own:
        return False
    # a role in one application and one environment is none in all of either, but lets one look at their part of it
    return permission == VIEW or about in (
        TARGET,
        DEPLOYMENT,
        LOCKED,
        FREEZE,
        "within_environment",
        "of_host_and_target",
    )


def sees(who: tuple[str, str], about: str, *, own: bool) -> bool:
    if about in (NOTHING, LIST) or who[0] == "everywhere":
        return VIEW in MAY[Role(who[1])] or about in (NOTHING, LIST)
    return own


def test_every_page_has_a_row_and_declares_it() -> None:
    assert set(ROUTES) == set(ROWS)
    declared = {}
    for name, route in ROUTES.items():
        where = getattr(route.callback, "where", None)
        declared[name] = (getattr(route.callback, "needs", ""), where.__name__ if where else NOTHING)
    assert declared == ROWS


def test_every_operation_of_the_api_has_a_row_and_declares_it() -> None:
    assert set(API) == set(API_ROWS)
    for name, (_, _, operation) in API.items():
        (gate,) = operation.auth_callbacks
        assert (name, gate.permission) == (name, API_ROWS[name][0])


def address_of(world: World, name: str, thing: dict[str, Any]) -> str:
    words = world.words(thing, str(ROUTES[name].pattern))
    return reverse(name, kwargs={word: words[word] for word in ROUTES[name].pattern.converters})


class Asker:
    """Asks as everyone; whatever that did is undone."""

    def __init__(self, world: World) -> None:
        self._clients = {who: Client() for who in world.people}
        for who, user in world.people.items():
            self._clients[who].force_login(user)

    def __call__(self, who: tuple[str, str] | None, method: str, address: str, **more: Any) -> tuple[int, str]:
        """Status, and what it says without what differs each time."""
        client = self._clients[who] if who else Client()
        with undone():
            answer: Any = getattr(client, method)(address, **more)
            text = "" if answer.streaming else answer.content.decode()
        text = re.sub(r'value="[A-Za-z0-9]{64}"|data-now="[^"]*"', "", text)
        return answer.status_code, text + answer.headers.get("Location", "")


NAMED = (TARGET, APPLICATION, ENVIRONMENT, HOST, DEPLOYMENT)


def places(world: World, about: str) -> list[tuple[bool, dict[str, Any]]]:
    """What is theirs, and what is not, unless the door looks at no place at all."""
    return [(True, world.own)] if about == NOTHING else [(True, world.own), (False, world.foreign)]


class Refused:
    """Whom to ask where they are refused: everyone at the first door of each kind, and at its other doors, which
    declare the same, those of each place who come nearest to being let in, for a role may what the one below it may.
    """

    def __init__(self, world: World) -> None:
        self._people = list(world.people)
        self._seen: set[tuple[str, str, bool]] = set()

    def __call__(self, permission: str, about: str, *, own: bool) -> list[tuple[str, str]]:
        refused = [who for who in self._people if not allowed(who, permission, about, own=own)]
        kind = (permission, about, own)
        if kind not in self._seen:
            self._seen.add(kind)
            return refused
        nearest = {where: (where, role) for where, role in sorted(refused, key=lambda who: len(MAY[Role(who[1])]))}
        return list(nearest.values())


def test_a_role_may_what_the_one_below_it_may() -> None:
    assert all(below < above for below, above in pairwise(MAY.values()))


def test_who_is_refused(world: World) -> None:
    ask, refused, wrong = Asker(world), Refused(world), list[Any]()
    for name, (permission, about) in ROWS.items():
        for own, thing in places(world, about):
            address = address_of(world, name, thing)
            for who in refused(permission, about, own=own):
                status, text = ask(who, "post", address)
                if status != (403 if sees(who, about, own=own) else 404) or "hidden-" in text:
                    wrong.append((name, who, own, status, "hidden-" in text))
        if about in NAMED:  # what is not theirs looks like what is not there
            somebody = ("there", Role.ADMINISTRATOR)
            if ask(somebody, "get", address) != ask(somebody, "get", address_of(world, name, ABSENT)):
                wrong.append((name, "looks like something"))
    assert wrong == []


def test_strangers_are_asked_to_sign_in(world: World) -> None:
    ask = Asker(world)
    for name in (name for name, (permission, _) in ROWS.items() if permission != ANYONE):
        address = address_of(world, name, world.own)
        assert (name, ask(None, "post", address)[0]) == (name, 403)
        status, text = ask(None, "get", address)
        assert (name, status, text.partition("?")[0]) == (name, 302, "/signin")


# These look at a host or a repository themselves, which takes them long and says nothing of who may.
SLOW = {"ask-host", "check-host", "check-all-hosts", "scan-keys", "accept-key"}


def test_whoever_may_is_let_in_and_sees_nothing_that_is_not_theirs(world: World) -> None:
    ask, wrong = Asker(world), list[Any]()
    for name, (permission, about) in ROWS.items():
        address = address_of(world, name, world.own)
        if name in SLOW:
            continue
        let_in = [who for who in world.people if allowed(who, permission, about, own=True)]
        answers = {who: ask(who, "get", address) for who in let_in}
        expected = answers["everywhere", Role.ADMINISTRATOR][0]
        for who, (status, text) in answers.items():
            hidden = (who[0] == "there" or who[1] == Role.GUEST) and "hidden-" in text
            if status != expected or hidden:
                wrong.append((name, who, status, expected, hidden))
    assert wrong == []


def test_a_lock_that_is_not_theirs_is_not_there(world: World) -> None:
    ask, somebody = Asker(world), ("there", Role.ADMINISTRATOR)
    for name in (
        name for name, route in ROUTES.items() if {"lock_id", "reservation_id"} & set(route.pattern.converters)
    ):
        asked = (ask(somebody, "post", address_of(world, name, thing)) for thing in (world.foreign, ABSENT))
        assert (name, *next(asked)) == (name, *next(asked))
        assert ask(somebody, "post", address_of(world, name, world.own))[0] != 404


def api_asked(ask: Asker, bearer: str, name: str, thing: dict[str, Any], world: World) -> tuple[int, str]:
    method, path, _ = API[name]
    words = world.words(thing, path)
    address = "/api/v1" + re.sub(r"\{(?:place:)?(\w+)\}", lambda match: str(words[match[1]]), path)
    address += {"search_log": "?q=line", "explain_policy": "?ref=main"}.get(name, "")
    body = dict(BODIES.get(name, {}))
    if name == "add_target":
        body = {"application": thing["app"], "environment": thing["env"], "root": "/srv/x", "user": "deploy"}
    more = {"data": body, "content_type": "application/json"} if method in ("POST", "PUT") else {}
    status, text = ask(None, method.lower(), address, headers={"Authorization": bearer}, **more)
    for word in {str(thing[key]) for key in ("app", "env", "host", "deploy", "lock", "reservation", "freeze")}:
        text = text.replace(word, "…")
    return status, text


def test_who_may_what_by_the_api(world: World) -> None:
    ask, refused, wrong = Asker(world), Refused(world), list[Any]()
    bearers = {who: f"Bearer {tokens.create(user=user)}" for who, user in world.people.items()}
    for name, (permission, about) in API_ROWS.items():
        for own, thing in places(world, about):
            let_in = [who for who in world.people if allowed(who, permission, about, own=own)]
            for who in (*let_in, *refused(permission, about, own=own)):
                status, text = api_asked(ask, bearers[who], name, thing, world)
                if who in let_in:
                    lacks = about == NOTHING or name in LACKING
                    # another one's lock is for its holder, whatever one may
                    forbidden = status in (401, 403) and about not in (LOCKED, FREEZE)
                    right = status < 500 and not forbidden and (status != 404 or lacks)
                else:
                    # whoever has it nowhere is told so before anything is looked for
                    somewhere = permission in MAY[Role(who[1])] and about != NOTHING
                    machines = permission == HeartbeatToken.permission  # and no person's token is one
                    right = status == (401 if machines else 404 if somewhere and not sees(who, about, own=own) else 403)
                if not right or (who[0] == "there" and "hidden-" in text):
                    wrong.append((name, who, own, status, text[:200]))
        if about in (TARGET, DEPLOYMENT, LOCKED, FREEZE):
            bearer = bearers["there", Role.ADMINISTRATOR]
            assert api_asked(ask, bearer, name, ABSENT, world) == api_asked(ask, bearer, name, world.foreign, world)
    assert wrong == []
