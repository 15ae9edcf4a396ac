"""A set-up as a file: what is applied is what is exported; twice, or refused, it changes nothing."""

from pathlib import Path
from typing import Any

import pytest
import yaml
from django.conf import settings
from django.core.management import call_command
from django.core.management.base import CommandError
from django.db import connection
from django.utils import timezone

from deployments.written import applying, planning
from deployments.written.errors import NotApplied, WrittenWrong
from deployments.written.export import export
from deployments.written.sections import SECTIONS
from environments import windows
from environments.configuration import changing, referring
from environments.configuration.merging import Layers
from environments.configuration.scopes import Scope
from environments.editing_targets import StepPlan
from environments.editing_tasks import TaskPlan
from environments.models import (
    Application,
    ConfigurationValue,
    Environment,
    Grant,
    Host,
    HostSource,
    Membership,
    Region,
    Role,
    SecretStore,
    Target,
    Team,
    User,
)
from environments.sealed import unseal
from environments.secret_stores import keeping
from environments.secret_stores.keeping import Plan
from environments.secret_stores.references import Reference
from environments.sources import refreshing
from notifications.models import Event
from tests import builders

pytestmark = [pytest.mark.django_db]

AHEAD = timezone.now().year + 1
WHOLE = f"""
version: 1
regions:
  eu-west: {{queue: eu, zones: [b, a]}}
  us-east: {{}}
hosts:
  web-1: {{address: 192.0.2.1, user: deploy, zone: eu-west/a, keys: [ssh-ed25519 {builders.PUBLIC_KEY} web-1]}}
  web-2: {{address: 192.0.2.2, port: 2222, user: deploy, note: Its disk is slow}}
  door: {{address: 192.0.2.9}}
gateways:
  eu-west: {{host: door, user: jump}}
environments:
  staging: {{hosts: {{web-1: [web]}}}}
  production:
    protected: true
    windows: [{{days: [2, 1], from: "09:00", to: "16:30", zone: Europe/London}}]
    outside: drop
    endpoints:
      address: "http://{{application}}-{{endpoint}}.example.com:{{port}}"
      first_port: 8000
      last_port: 8010
      most_each: 0
    hosts: {{web-1: [web, cron], web-2: {{labels: {{tier: back}}}}}}
sources:
  inventory:
    kind: lines
    environment: production
    settings: {{lines: "deploy@192.0.2.7 as web-7"}}
    zone: eu-west/a
    share: 10
git_hosts:
  git.example: {{keys: [ssh-ed25519 {builders.PUBLIC_KEY}]}}
host_authorities:
  "*.example": {{keys: [ssh-ed25519 {builders.PUBLIC_KEY}]}}
applications:
  shop:
    repository: https://git.example/shop.git
    default_branch: trunk
    https_user: reader
    https_token: {{secret: env:SHOP_TOKEN}}
  blog: {{repository: "https://git.example/blog.git", distribution: git}}
targets:
  shop/staging:
    root: /srv/shop
    linked_dirs: [log, uploads]
    needed: 80
    on_failure: abort
    configuration: {{env: .env}}
    steps:
      - {{name: build, command: "make\\nmake check", time_limit: 1200}}
      - {{name: restart, preset: restart-systemd, parameters: {{units: [shop.service]}}}}
    tasks:
      - {{name: clear-cache, command: rm -rf tmp/cache, parameters: [{{name: key, label: Which}}]}}
  shop/production: {{root: /srv/shop, labels: [tier=back], umask: "027", drift_minutes: 0}}
stores:
  vault:
    kind: vault
    settings: {{address: "https://vault.example.com", mount: kv}}
    secret: {{secret: env:VAULT_TOKEN}}
configuration:
  application shop: {{COLOUR: "#fff", EMPTY: ""}}
  target shop/staging: {{DATABASE_URL: {{secret: env:SHOP_DATABASE}}, WORKERS: "4"}}
  host web-1: {{NAME: web-1}}
people:
  ada: {{name: Ada Marsh, role: maintainer}}
  alan: {{email: alan@shop.example, enabled: false}}
teams:
  payments: {{members: [ada, grace]}}
everyone: {{unprotected: deployer, protected: viewer}}
grants:
  - {{team: payments, role: maintainer, application: shop}}
  - {{person: ada, role: deployer, application: shop, environment: production}}
approvals:
  shop/staging: {{number: 2, team: payments, hours: 48}}
freezes:
  - {{scope: production, starts: "{AHEAD}-12-20T00:00:00+00:00", ends: "{AHEAD}-12-27T01:00:00+01:00", reason: Fair}}
channels:
  releases:
    kind: web-hook
    owner: ada
    settings: {{address: "https://hooks.example.com/deploys"}}
    secret: {{secret: env:HOOK_SECRET}}
    applications: [shop]
    environments: [production]
    kinds: [deploy]
    outcomes: [failed, partial]
    templates: {{deploy.failed: "{{ref}} broke"}}
sign_in:
  keycloak:
    title: Example Corp
    issuer: "https://id.example.com/realms/staff"
    client_id: deployer
    secret: {{secret: env:CLIENT_SECRET}}
    lets_in: mapped
    groups: {{admins: [role administrator], shop: [role deployer, team payments]}}
"""
SECRETS = {
    "SHOP_TOKEN": "canary-token",
    "VAULT_TOKEN": "canary-vault",
    "SHOP_DATABASE": "postgres://canary-password",
    "CLIENT_SECRET": "canary-of-a-client",
    "HOOK_SECRET": "canary-of-a-web-hook",
}


@pytest.fixture(autouse=True)
def _people(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in SECRETS.items():
        monkeypatch.setenv(name, value)
    for name in ("ada", "grace"):
        builders.make_user(username=name)


def apply(text: str, **options: Any) -> list[str]:
    """What was changed, in words."""
    by = options.pop("by", None)
    return [f"{it.kind} {it.about}" for it in applying.apply(planning.read(text), by=by, **options).changes]


def changes(text: str, **options: Any) -> list[str]:
    return [f"{it.kind} {it.about}" for it in planning.plan(planning.read(text), **options).changes]


@pytest.mark.both_databases
def test_a_whole_set_up_is_made_and_a_second_time_changes_nothing() -> None:
    done = apply(WHOLE)
    assert len(done) == 29
    target = Target.objects.get(application__name="shop", environment__name="staging")
    assert (target.needed, target.on_failure, target.configuration_env) == (80, "abort", ".env")
    assert [(step.name, step.phase, step.silence_limit) for step in target.steps.all()] == [
        ("build", "prepare", 300), ("restart", "restart", 300),
    ]  # fmt: skip
    assert Region.objects.get(name="eu-west").gateway == Host.objects.get(name="door")
    assert Membership.objects.get(host__name="web-1", environment__name="production").roles == ["web", "cron"]
    assert [row.name for row in Environment.objects.order_by("position")] == ["staging", "production"]
    assert unseal(Application.objects.get(name="shop").https_token) == "canary-token"
    assert Team.objects.get().members.count() == Grant.objects.count() == 2
    seen = Event.objects.count()
    assert apply(WHOLE) == []
    assert apply(WHOLE, remove=True) == []
    assert Event.objects.count() == seen
    assert Event.objects.get(kind="setup.applied").facts["changes"] == len(done)


@pytest.mark.both_databases
def test_what_is_exported_says_the_same_in_an_empty_installation() -> None:
    apply(WHOLE)
    first = export()
    assert changes(first) == []
    assert changes(first, remove=True) == []
    connection.check_constraints()  # PostgreSQL truncates no table that it still has to look through
    call_command("flush", interactive=False, verbosity=0)
    elsewhere = first
    for name in SECRETS:  # in the order in which they stand there
        elsewhere = elsewhere.replace("{secret: stored}", f"{{secret: env:{name}}}", 1)
    apply(elsewhere)
    assert export() == first
    assert unseal(SecretStore.objects.get().secret) == "canary-vault"


def test_no_secret_stands_in_what_is_exported_or_told() -> None:
    apply(WHOLE)
    changed = WHOLE.replace("env:SHOP_TOKEN", "env:SHOP_DATABASE")
    found = planning.plan(planning.read(changed))
    assert [it.about for it in found.changes] == ["applications shop"]
    said = export() + repr(found) + str([event.facts for event in Event.objects.all()])
    assert not [value for value in SECRETS.values() if value in said]


def test_what_a_file_does_not_say_stays() -> None:
    apply(WHOLE)
    short = "targets:\n  shop/staging: {keep: 9}\nenvironments:\n  staging: {protected: true}\n"
    assert changes(short) == ["change environments staging", "change targets shop/staging"]
    assert dict(planning.plan(planning.read(short)).only_here) == {
        "environments": ("production",),
        "targets": ("shop/production",),
    }
    apply(short)
    target = Target.objects.get(application__name="shop", environment__name="staging")
    assert (target.keep, target.steps.count(), target.needed) == (9, 2, 80)
    assert Environment.objects.get(name="staging").memberships.count() == 1


def test_what_a_section_does_not_name_goes_only_when_that_is_said() -> None:
    apply(WHOLE)
    less = (
        WHOLE.replace("  us-east: {}\n", "").replace(', WORKERS: "4"', "").replace("  host web-1: {NAME: web-1}\n", "")
    )
    less = less.replace("  - {team: payments, role: maintainer, application: shop}\n", "")
    assert apply(less) == []
    assert apply(less, remove=True) == [
        "remove grants team payments in shop/*",
        "remove configuration host web-1",
        "remove regions us-east",
    ]
    assert apply(less, remove=True) == []
    assert Target.objects.count() == 2
    gone = "targets: {shop/staging: {keep: 9}}\nhosts: {door: {address: 192.0.2.9}}\n"
    assert apply(gone, remove=True) == ["change targets shop/staging"]
    assert (Target.objects.count(), Host.objects.count()) == (2, 3)


def test_a_name_is_taken_away_by_null() -> None:
    apply(WHOLE)
    assert apply("configuration:\n  target shop/staging: {WORKERS: null}\n") == [
        "change configuration target shop/staging"
    ]
    target = Target.objects.get(application__name="shop", environment__name="staging")
    assert ConfigurationValue.objects.get(target=target, name="WORKERS", latest=True).is_removed


def test_the_order_of_environments_is_that_of_the_file() -> None:
    apply(WHOLE)
    builders.make_environment(name="load", position=9)
    turned = "environments:\n  production: {}\n  staging: {}\n"
    assert apply(turned) == ["order environments"]
    assert [row.name for row in Environment.objects.order_by("position")] == ["production", "staging", "load"]
    apply("environments:\n  production: {}\n  canary: {}\n  staging: {}\n")
    assert [row.name for row in Environment.objects.order_by("position")] == ["production", "canary", "staging", "load"]
    assert apply("environments:\n  production: {}\n  canary: {}\n  staging: {}\n") == []


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("targets:\n  shop/staging: {keeep: 3}\n", "line 2, column 18: 'keeep' is not known here."),
        ("target:\n  a: {}\n", "line 1, column 1: 'target' is not known here."),
        ("version: 2\n", "line 1, column 10: Version 1 of this file is read here."),
        ("hosts:\n  web: {port: 22}\n", "line 2, column 3: hosts web is new here, and needs address."),
        ("hosts:\n  web: {address: a, port: 99999}\n", "line 2, column 27: This must be a number from 1 to 65,535."),
        ("applications:\n  a: {repository: x, https_token: hunter2}\n", "line 2, column 35: A secret is written"),
        ("applications:\n  a: {repository: x, https_token: {secret: env:NONE}}\n", "NONE, which is not set."),
        ("applications:\n  a: {repository: x, https_token: {secret: stored}}\n", "nothing is stored here"),
        ("targets:\n  a/b:\n    root: /srv\n    steps: [{name: x, preset: none-such}]\n", "line 4, column 31"),
        ("grants:\n  - {role: deployer}\n", "line 2, column 5: A grant needs a role"),
        (
            "environments:\n  a: {windows: [{days: [1], from: '9', to: '17:00', zone: UTC}]}\n",
            "line 2, column 17: '9' is no",
        ),
        ("a: *x\n", "Anchors and aliases"),
        ("sources:\n  a: {kind: lines}\n", "line 2, column 3: sources a is new here, and needs environment."),
        ("stores:\n  a: {kind: vault, secret: hunter2}\n", "line 2, column 28: A secret is written"),
        (
            "freezes:\n  - {scope: '*', starts: '2026-12-20', ends: x, reason: y}\n",
            "line 2, column 26: '2026-12-20' could",
        ),
        ("freezes:\n  - {scope: '*'}\n", "line 2, column 5: A freeze needs starts."),
    ],
)
def test_what_is_wrong_is_told_with_its_place(text: str, said: str) -> None:
    with pytest.raises(WrittenWrong) as wrong:
        changes(text)
    assert said in str(wrong.value)
    assert "hunter2" not in str(wrong.value)


@pytest.mark.both_databases
def test_one_refusal_takes_everything_back() -> None:
    wrong = WHOLE.replace("members: [ada, grace]", "members: [ada, nobody]")
    with pytest.raises(NotApplied) as refused:
        apply(wrong)
    assert str(refused.value).startswith(
        "line 68, teams payments: Nobody who may come in is called 'nobody'. Everything"
    )
    assert not any(model.objects.exists() for model in (Application, Target, Host, Environment, Region, Event))


def test_a_person_changes_what_they_may() -> None:
    apply(WHOLE)
    vera = builders.make_user(username="vera", role=Role.MAINTAINER)
    assert apply("targets: {shop/staging: {keep: 7}}", by=vera) == ["change targets shop/staging"]
    for text in (
        "hosts: {web-2: {port: 23}}",
        "grants: [{person: vera, role: administrator}]",
        "applications: {blog: {build_command: make}}",
        "targets: {shop/staging: {command: id, runner: door}}",
        "sources: {other: {kind: lines, environment: staging, settings: {lines: a@b}}}",
        "sources: {inventory: {share: 100}}",
        "stores: {pass: {kind: command, settings: {command: /bin/pass}}}",
        "git_hosts: {git.example: {keys: []}}",
        'host_authorities: {"*.example": {keys: []}}',
        "hosts: {web-1: {found_by: inventory}}",
        "people: {vera: {role: administrator}}",
        "people: {vera: {name: Somebody Else}}",
        "people: {mallory: {}}",
    ):
        with pytest.raises(NotApplied):
            apply(text, by=vera)
    assert User.objects.get(username="vera").role == Role.MAINTAINER
    assert Application.objects.get(name="blog").build_command == ""


def test_what_another_source_gave_is_left_to_it() -> None:
    apply(WHOLE)
    place = Environment.objects.get(name="staging")
    Membership.objects.create(environment=place, host=Host.objects.get(name="web-2"), source="inventory")
    assert yaml.safe_load(export())["environments"]["staging"] == {"hosts": {"web-1": ["web"]}}
    assert changes(WHOLE) == []
    assert apply("environments: {staging: {hosts: {}}}") == ["change environments staging"]
    assert [row.host.name for row in place.memberships.all()] == ["web-2"]
    with pytest.raises(NotApplied, match="inventory says which roles web-2 has in staging"):
        apply("environments: {staging: {hosts: {web-2: [web]}}}")


def test_a_freeze_is_changed_and_lifted_by_a_file_and_one_that_is_over_stays_over() -> None:
    apply(WHOLE)
    assert apply(WHOLE.replace("reason: Fair", "reason: The fair of the year")) == [
        f"change freezes production from {AHEAD}-12-20T00:00:00+00:00 to {AHEAD}-12-27T00:00:00+00:00"
    ]
    assert [row.reason for row in windows.to_come()] == ["The fair of the year"]
    over = "freezes: [{scope: staging, starts: '2020-01-01T00:00Z', ends: '2020-01-02T00:00Z', reason: Fair}]"
    assert apply(over) == []
    assert [done.split()[0] for done in apply(over, remove=True)] == ["remove"]
    assert not windows.to_come().exists()
    assert apply(over, remove=True) == []


def test_a_source_of_a_file_is_read_by_the_next_worker_that_looks() -> None:
    """Also one that is never read by itself: once."""
    apply(WHOLE.replace("share: 10", "share: 10\n    every_minutes: 0"))
    source = HostSource.objects.get()
    assert (source.looked_at, source.given.count()) == (None, 0)
    refreshing.refresh_due()
    source.refresh_from_db()
    assert (source.due_at, source.trouble, source.given.get().host.name) == (None, "", "web-7")
    looked = source.looked_at
    refreshing.refresh_due()
    assert HostSource.objects.get().looked_at == looked
    assert yaml.safe_load(export())["hosts"]["web-7"]["found_by"] == "inventory"
    apply('sources: {inventory: {settings: {lines: "deploy@192.0.2.7 as web-7\\ndeploy@192.0.2.8 as web-8"}}}')
    refreshing.refresh_due()
    assert HostSource.objects.get().given.count() == 2


def test_a_secret_of_a_file_ends_before_the_last_newline(tmp_path: Path) -> None:
    apply(WHOLE)
    (tmp_path / "secret").write_text("two\nlines\n")
    apply(f"configuration:\n  target shop/staging: {{DATABASE_URL: {{secret: 'file:{tmp_path}/secret'}}}}\n")
    row = ConfigurationValue.objects.get(name="DATABASE_URL", latest=True)
    assert (row.is_secret, changing.plain_text(row)) == (True, "two\nlines")


def test_texts_of_every_kind_survive() -> None:
    apply(WHOLE)
    nasty = [
        "022",
        "1.10",
        "no",
        "~",
        "null",
        "2026-01-01",
        "a: b",
        "# x",
        " lead",
        "tail ",
        "two\nlines",
        "tab\t",
        "ü“",
        "|",
        "'",
    ]
    said = {f"N{number}": value for number, value in enumerate(nasty)}
    apply(yaml.safe_dump({"configuration": {"application shop": said}}, allow_unicode=True))
    assert changes(export()) == []
    rows = ConfigurationValue.objects.filter(latest=True, application__isnull=False, name__startswith="N")
    assert {row.name: row.text for row in rows} == said


def test_the_documentation_names_every_field_and_no_other() -> None:
    text = (Path(settings.BASE_DIR) / "docs/written.md").read_text()
    said = yaml.safe_load(text.split("```yaml\n")[1].split("```")[0])
    assert list(said) == ["version", *(section.name for section in SECTIONS)]
    for section in SECTIONS:
        entries = said[section.name]
        entries = {"": entries} if section.name == "everyone" else entries
        shown = entries if isinstance(entries, list) else list(entries.values())
        if section.fields:
            assert {field for entry in shown for field in entry} == set(section.fields), section.name
    target = said["targets"]["shop/staging"]
    assert set(target["steps"][0]) == set(StepPlan.__dataclass_fields__)
    assert set(target["tasks"][0]) == set(TaskPlan.__dataclass_fields__)


def test_the_commands_say_what_they_did_and_end_as_they_should(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "setup.yml"
    file.write_text(WHOLE)
    with pytest.raises(SystemExit) as ended:
        call_command("plan", str(file))
    assert ended.value.code == 3
    told = capsys.readouterr().out
    assert "+ targets shop/staging\n    root: /srv/shop\n" in told
    assert told.endswith("27 to add, 2 to change, 0 to remove.\n")
    assert not Target.objects.exists()
    call_command("apply", str(file))
    assert capsys.readouterr().out.endswith("Done.\n")
    call_command("plan", str(file))
    assert capsys.readouterr().out.endswith("Nothing to change.\n")
    file.write_text(WHOLE.replace("time_limit: 1200", "time_limit: 1300").replace("needed: 80", "needed: 90"))
    with pytest.raises(SystemExit):
        call_command("plan", str(file))
    told = capsys.readouterr().out
    assert "~ targets shop/staging\n    needed: 80 → 90\n    steps: build: time_limit 1200 → 1300\n" in told
    assert not [value for value in SECRETS.values() if value in told]
    file.write_text("a: 1\n")
    with pytest.raises(CommandError, match="line 1, column 1"):
        call_command("apply", str(file))
    with pytest.raises(CommandError, match="Nobody who may come in"):
        call_command("apply", str(file), "--as", "nobody")
    call_command("export", "teams")
    assert yaml.safe_load(capsys.readouterr().out) == {
        "version": 1,
        "teams": {"payments": {"members": ["ada", "grace"]}},
    }


def test_a_secret_that_lies_elsewhere_is_written_as_where_it_lies() -> None:
    target = builders.make_target(application=builders.make_application(name="shop"))
    keeping.add(Plan("command", "pass", {"command": "/usr/bin/pass show {}"}), by=None)
    here, there = Reference("pass", "shop/token"), Reference("pass", "shop/other", "key")
    referring.set_reference(Scope(target.application), "TOKEN", here, by=None)
    text = export(["configuration"])
    assert yaml.safe_load(text)["configuration"] == {
        "application shop": {"TOKEN": {"store": "pass", "path": "shop/token"}}
    }
    assert planning.plan(planning.read(text)).changes == ()
    other = text.replace("path: shop/token", "path: shop/other, key: key")
    (change,) = planning.plan(planning.read(other)).changes
    assert [(one.before, one.after) for one in change.differences] == [("pass: shop/token", "pass: shop/other#key")]
    applying.apply(planning.read(other), by=None)
    assert Layers.read(target).merged(None)[0].reference == there
    with pytest.raises(NotApplied, match="no secret store 'nowhere'"):
        applying.apply(planning.read(other.replace("store: pass", "store: nowhere")), by=None)
