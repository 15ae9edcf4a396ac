"""The inbox, one delivery, who may send, and the policy, as pages and by the API: what they show, and to whom."""

import json
import re
from typing import Any

import pytest
from django.test import Client

from deployments.hooks import sources
from deployments.hooks.masking import masked_json
from deployments.models import Deploy, HookDelivery
from environments import granting, people, policies
from environments.models import HookSource, Role, Target, User
from notifications.models import Event
from tests import builders
from tests.deployments.api_client import api_of, check_problem
from tests.deployments.hooks.conftest import Sender, worked
from tests.deployments.hooks.payloads import pack, push, sign, workflow_run
from tests.deployments.shop_pages import sign_in
from tests.deployments.test_page_queries import queries_of
from tests.repository import Repository

pytestmark = pytest.mark.django_db
MOST_QUERIES = 15


@pytest.fixture
def grace() -> User:
    return builders.make_user(username="grace", first_name="Grace", last_name="Hopper", role=Role.ADMINISTRATOR)


@pytest.fixture
def client(grace: User) -> Client:
    return sign_in(grace)


def text_of(answer: Any) -> str:
    return " ".join(re.sub(r"<[^>]+>", " ", answer.content.decode()).split())


def test_the_inbox_tells_what_became_of_each(
    client: Client, sender: Sender, target: Target, repository: Repository
) -> None:
    assert "Nothing has come in yet" in text_of(client.get("/hooks"))
    revision = repository.git("rev-parse", "HEAD")
    sender.tell("workflow_run", workflow_run(revision))
    sender.post(b"{}")
    for number in range(60):
        sender.source.deliveries.create(
            received_at=target.deploys.get().requested_at, decision="noted", told=f"Number {number}."
        )
    page = client.get("/hooks")
    assert "Number 59." in text_of(page)
    assert "Deployed" not in text_of(page).partition("Number 59.")[2]
    older = re.search(r'href="(\?before=[^"]+)" rel="next"', page.content.decode())
    assert older
    rest = text_of(client.get("/hooks" + older[1].replace("&amp;", "&")))
    assert f"Deployed {target.place} #1" in rest
    assert "Not signed" in rest
    only = text_of(client.get("/hooks?word=unsigned"))
    assert "Not signed" in only
    assert "Number" not in only
    for address in ("/hooks", "/hooks?word=noted", f"/hooks?application={target.application.name}", "/settings/hooks"):
        assert queries_of(lambda at=address: client.get(at)) <= MOST_QUERIES  # type: ignore[misc]


def test_what_is_raw_shows_no_secret_and_is_replayed(
    client: Client, sender: Sender, target: Target, repository: Repository
) -> None:
    payload = push(repository.git("rev-parse", "HEAD")) | {
        "hook": {"config": {"secret": "hush", "access_token": "hush-2"}},
        "note": f"it is {sender.secret}, or https://ada:hush-3@example.org/x",
    }
    delivery = sender.tell("push", payload)
    address = f"/hooks/of/{target.application.name}/{delivery.pk}"
    page = client.get(address)
    assert queries_of(lambda: client.get(address)) <= MOST_QUERIES
    shown = text_of(page)
    assert "hush" not in shown
    assert sender.secret not in shown
    assert "***" in shown
    assert "Waits for checks" in shown
    policies.set_policy(target, policies.Rules(automatic=True, refs=("main",), checks="none"), by=None)
    again = client.post(f"{address}/replay")
    assert again.status_code == 302
    repeated = HookDelivery.objects.get(of=delivery)
    assert (repeated.replayed_by, Event.objects.get(kind="hook.replayed").actor) == ("Grace Hopper", "grace")
    assert worked(repeated.pk).decision == "deployed"
    assert Deploy.objects.get().by == sender.source.account, "with the permissions of its source"
    assert worked(HookDelivery.objects.get(pk=repeated.pk).pk).decision == "deployed"
    assert client.post(f"{address}/replay").status_code == 302
    worked(HookDelivery.objects.latest("pk").pk)
    assert Deploy.objects.count() == 1


def test_what_is_masked() -> None:
    known = frozenset({"s3cr3t-value"})
    body = {"a": [{"password": "x1", "api_key": "x2", "statuses_url": "https://h/{token}"}], "b": "s3cr3t-value"}
    shown = json.loads(masked_json(json.dumps(body).encode(), known))
    assert shown == {"a": [{"password": "***", "api_key": "***", "statuses_url": "https://h/{token}"}], "b": "***"}
    assert masked_json(b"token s3cr3t-value \xff", known) == "token *** �"


def test_a_source_is_made_on_the_page_and_its_secret_shown_once(client: Client, target: Target) -> None:
    name = target.application.name
    made = client.post("/settings/hooks/make", {"application": name, "kind": "generic", "revision": "build.commit"})
    source = HookSource.objects.get()
    address = f"http://localhost:8000/hooks/generic/{source.key}"
    (secret,) = set(re.findall(r'value="([0-9a-f]{64})"', made.content.decode())) - {""}
    assert address in made.content.decode()
    assert secret not in client.get("/settings/hooks").content.decode()
    assert source.settings["revision"] == "build.commit"
    assert secret not in str(HookSource.objects.values().get())
    wrong = client.post("/settings/hooks/make", {"application": name, "kind": "generic", "ref": "a b"})
    assert (wrong.status_code, HookSource.objects.count()) == (422, 1)
    assert "is no field" in text_of(wrong)
    client.post("/settings/hooks/make", {"application": "nowhere", "kind": "github"})
    renewed = client.post(f"/settings/hooks/{name}/{source.pk}/secret").content.decode()
    assert secret not in renewed
    client.post(f"/settings/hooks/{name}/{source.pk}/remove")
    assert not HookSource.objects.exists()
    kinds = ("hook.source_made", "hook.secret_renewed", "hook.source_removed")
    assert [Event.objects.get(kind=kind).actor for kind in kinds] == ["grace"] * 3


def test_a_source_is_made_by_the_api(target: Target, repository: Repository) -> None:
    api, name = api_of(role=Role.ADMINISTRATOR), target.application.name
    made = api.post("hook-sources", {"kind": "github", "application": name})
    said = json.loads(made.content)
    assert (made.status_code, made["Cache-Control"]) == (201, "no-store")
    sender = Sender(HookSource.objects.get(pk=said["id"]), said["secret"])
    assert said["url"].endswith(sender.address)
    sender.tell("workflow_run", workflow_run(repository.git("rev-parse", "HEAD")))
    (came,) = json.loads(api.get("hook-deliveries").content)["items"]
    assert (came["decision"], came["targets"][0]["target"]) == ("deployed", target.slug)
    assert "workflow_run" in json.loads(api.get(f"hook-deliveries/{came['id']}").content)["body"]
    assert api.post(f"hook-deliveries/{came['id']}/replay").status_code == 202
    check_problem(api.post(f"hook-deliveries/{HookDelivery.objects.latest('pk').pk}/replay"), 409, "not-possible")
    check_problem(api.post("hook-sources", {"kind": "cvs", "application": name}), 400, "wrong-values")
    check_problem(api.post("hook-sources", {"kind": "github", "application": "nowhere"}), 404, "not-found")
    assert "secret" not in json.loads(api.get("hook-sources").content)["items"][0]
    assert api.delete(f"hook-sources/{said['id']}").status_code == 204


def test_whoever_administers_an_application_makes_its_sources_and_no_others(target: Target) -> None:
    other = builders.make_application(name="other")
    person = builders.make_user(username="ann", role=Role.VIEWER)
    granting.give(person, Role.ADMINISTRATOR, application=target.application, by=None)
    theirs = sign_in(person)
    assert theirs.post("/settings/hooks/make", {"application": "other", "kind": "github"}).status_code == 302
    assert not HookSource.objects.exists()
    theirs.post("/settings/hooks/make", {"application": target.application.name, "kind": "github"})
    foreign, _ = sources.make("github", other, by=None)
    page = theirs.get("/settings/hooks").content.decode()
    assert target.application.name in page
    assert foreign.key not in page
    check_problem(api_of(user=person).delete(f"hook-sources/{foreign.pk}"), 403, "not-allowed")


def test_who_sees_one_target_reads_of_no_other(sender: Sender, target: Target, repository: Repository) -> None:
    place = builders.make_environment(name="kept-away")
    hidden = builders.make_target(application=target.application, environment=place, hosts=1)
    policies.set_policy(hidden, policies.Rules(automatic=True), by=None)
    sender.tell("workflow_run", workflow_run(repository.git("rev-parse", "HEAD")))
    guest = builders.make_user(username="gus", role=Role.GUEST)
    granting.give(guest, Role.VIEWER, application=target.application, environment=target.environment, by=None)
    page = sign_in(guest).get("/hooks").content.decode()
    assert target.place in page
    assert "kept-away" not in page
    (came,) = json.loads(api_of(user=guest).get("hook-deliveries").content)["items"]
    assert [one["target"] for one in came["targets"]] == [target.slug]


def test_only_who_maintains_the_whole_application_opens_and_replays(sender: Sender, target: Target) -> None:
    delivery = sender.tell("push", push("a" * 40))
    person = builders.make_user(username="max", role=Role.GUEST)
    granting.give(person, Role.MAINTAINER, application=target.application, environment=target.environment, by=None)
    api, address = api_of(user=person), f"hook-deliveries/{delivery.pk}"
    check_problem(api.get(address), 403, "not-allowed")
    check_problem(api.post(f"{address}/replay"), 403, "not-allowed")
    granting.give(person, Role.MAINTAINER, application=target.application, by=None)
    assert api.get(address).status_code == 200
    assert api.post(f"{address}/replay").status_code == 202


def test_nobody_signs_in_with_the_account_of_a_source(sender: Sender, grace: User) -> None:
    account = sender.source.account
    with pytest.raises(people.NoPasswords, match="account of a source of hooks"):
        people.link_of(account, by=grace)
    with pytest.raises(people.LinkSpent):
        people.find_invited(*people.words_of(account))
    assert account.username not in api_of(user=grace).get("people").content.decode()
    assert account.username not in sign_in(grace).get("/settings/people").content.decode()


def test_the_policy_is_set_and_explained_on_its_page(client: Client, target: Target, repository: Repository) -> None:
    address = f"/{target.application.name}/{target.environment.name}/policy"
    typed = {"automatic": "yes", "refs": "main release/*", "checks": "named", "names": "CI\nlint", "paths": "src/**"}
    assert client.post(f"{address}/set", typed).status_code == 302
    rules = policies.rules_of(target)
    assert (rules.refs, rules.names, rules.skip_words, rules.paths) == (
        *(("main", "release/*"), ("CI", "lint"), (), ("src/**",)),
    )
    told = Event.objects.filter(kind="target.policy_changed").latest("pk").facts["told"]
    assert told == "commits of main, release/* deploy themselves when CI, lint are green"
    wrong = client.post(f"{address}/set", typed | {"names": "", "refs": "a;b"})
    assert wrong.status_code == 422
    assert "Name at least one check." in text_of(wrong)
    assert policies.rules_of(target) == rules
    shown = text_of(client.get(f"{address}?ref=main"))
    assert "It would not" in shown
    assert "Nobody sends hooks for this application yet." in shown
    assert "It waits for CI, lint" in shown
    assert "no branch, tag or commit named" in text_of(client.get(f"{address}?ref=nowhere"))
    assert queries_of(lambda: client.get(f"{address}?ref=main")) <= MOST_QUERIES


def test_the_policy_is_set_and_explained_by_the_api(sender: Sender, target: Target, repository: Repository) -> None:
    api, address = api_of(role=Role.MAINTAINER), f"targets/{target.slug}/policy"
    rules = json.loads(api.get(address).content)
    assert rules["refs"] == ["main"]
    assert json.loads(api.put(address, rules | {"checks": "none"}).content)["checks"] == "none"
    revision = repository.git("rev-parse", "HEAD")
    said = json.loads(api.get(f"{address}/explain", ref="main").content)
    assert (said["would_deploy"], said["refused_by"], said["revision"]) == (True, None, revision)
    api.put(address, rules)
    assert json.loads(api.get(f"{address}/explain", ref=revision).content)["refused_by"] == "checks"
    for wrong in ({"refs": ["a;b"]}, {"checks": "some"}, {"checks": "named"}, {"colour": "red"}, {"refs": ["x"] * 51}):
        assert api.put(address, rules | wrong).status_code == 400
    assert json.loads(api.get(address).content) == rules
    check_problem(api.get(f"{address}/explain", ref="--upload-pack=x"), 400, "ref-not-found")
    check_problem(api_of(role=Role.DEPLOYER).put(address, rules), 403, "not-allowed")


def test_a_body_that_is_no_json_is_told(sender: Sender) -> None:
    for body in (b"nonsense", b"[]", b"[" * 5000):
        signature = {"X-Hub-Signature-256": f"sha256={sign(body, sender.secret)}", "X-GitHub-Event": "push"}
        answer = sender.post(body, **signature)
        assert worked(json.loads(answer.content)["delivery"]).decision == "failed"
    assert sender.tell("push", json.loads(pack({"ref": "refs/heads/main"}))).decision == "failed"
