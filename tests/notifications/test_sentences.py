import pytest

from notifications.events import KINDS, record
from notifications.models import Event
from notifications.origin import coming_from
from notifications.sentences import LONGEST, has_sentence, tell, tone_of


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_every_kind_has_a_sentence_that_ends(kind: str) -> None:
    assert has_sentence(kind), f"Write a sentence for {kind} in notifications/sentences.py."
    text = tell(Event(kind=kind, actor="ada", application="shop", environment="staging", facts={})).text
    assert text
    assert "{" not in text
    assert tone_of(kind) in {"bad", "warn", "idle"}


def test_it_names_people_by_their_full_names() -> None:
    event = Event(kind="person.role_changed", actor="ada", facts={"user": "ben", "role": "viewer", "old": "deployer"})
    names = {"ada": "Ada Marsh", "ben": "Ben Sato"}
    assert tell(event, names).text == "Ada Marsh made Ben Sato viewer, who was deployer."
    assert tell(event).text == "ada made ben viewer, who was deployer."


def test_it_tells_a_deploy() -> None:
    facts = {"number": 7, "ref": "main", "revision": "a" * 40, "deploy_kind": "deploy"}
    event = Event(kind="deploy.requested", actor="ada", application="shop", environment="staging", facts=facts)
    assert tell(event).text == "ada deploys main (aaaaaaaa) to shop / staging, #7."
    event.facts["deploy_kind"] = "rollback"
    assert tell(event).text == "ada rolls shop / staging back to main (aaaaaaaa), #7."
    event.kind = "deploy.waiting"
    assert tell(event).text.endswith(", as soon as it is free.")


def test_what_facts_say_is_not_a_pattern() -> None:
    event = Event(kind="host.drained", actor="ada", facts={"host": "web-1", "reason": "{who} {facts} {0.__class__}"})
    assert tell(event).text == "ada drained web-1: {who} {facts} {0.__class__}"


def test_it_is_never_longer_than_a_line_or_two() -> None:
    event = Event(kind="host_run.failed", facts={"host": "web-1", "step": "smoke", "error": "x" * 5000})
    assert len(tell(event).text) == LONGEST


def test_an_event_of_another_version_is_told_by_its_kind() -> None:
    assert tell(Event(kind="lock.taken", actor="ada", facts={})).text == "ada: lock taken."


@pytest.mark.django_db
def test_an_event_knows_from_where_it_came() -> None:
    with coming_from("API", "192.0.2.7"):
        inside = record("host.drained", "ada", host="web-1", reason="disk")
    outside = record("signed_in", "ada")
    assert (inside.door, inside.address, inside.host) == ("API", "192.0.2.7", "web-1")
    assert (outside.door, outside.address, outside.host) == ("", "", "")
