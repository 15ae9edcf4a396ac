"""What is announced of events, in exactly which words; texts of a channel's own; and that nothing hides in them."""

from typing import Any

import pytest

from notifications.announcements import WORDS, TemplateWrong, check_template, clean, example, of_event
from notifications.models import Event

BASE = "https://deployer.example"
FACTS: dict[str, Any] = {
    "number": 42,
    "ref": "intlrelease",
    "revision": "6957bb87" + "0" * 32,
    "by": "Ada Marsh",
    "deploy_kind": "deploy",
}
LOCK = {"place": "mobile-api/staging", "holder": "Ada Marsh", "lock_kind": "lock", "end": "until 29 Nov 15:00 UTC"}


def event(kind: str, **facts: Any) -> Event:
    return Event(kind=kind, actor="ada", application="mobile-api", environment="staging", deploy=7, facts=facts)


def text(kind: str, templates: dict[str, str] | None = None, **facts: Any) -> str:
    found = of_event(event(kind, **(FACTS | facts)), base=BASE)
    return found.text(templates or {}) if found else ""


RELEASE = "mobile-api/intlrelease (6957bb87)"
TEXTS = [
    ("deploy.requested", {}, f"{RELEASE} is being deployed to staging by Ada Marsh"),
    ("deploy.started", {}, f"{RELEASE} is being deployed to staging by Ada Marsh"),
    ("deploy.succeeded", {}, "mobile-api/intlrelease successfully deployed to staging"),
    ("deploy.succeeded", {"endpoint": "blue"}, "mobile-api/intlrelease successfully deployed to staging/blue"),
    ("deploy.partial", {"live": 7, "hosts": 8}, f"{RELEASE} deployed to 7 of 8 hosts of staging"),
    ("deploy.failed", {"reason": "It broke."}, f"{RELEASE} failed to deploy to staging: It broke"),
    ("deploy.cancelled", {"reason": "Enough."}, f"{RELEASE} was not deployed to staging: Enough"),
    ("deploy.needs_attention", {"reason": "Who knows."}, f"{RELEASE} needs someone on staging: Who knows"),
    (
        "deploy.requested",
        {"deploy_kind": "rollback"},
        "mobile-api is being rolled back to intlrelease (6957bb87) on staging by Ada Marsh",
    ),
    (
        "deploy.succeeded",
        {"deploy_kind": "rollback"},
        "mobile-api successfully rolled back to intlrelease (6957bb87) on staging",
    ),
    ("deploy.waiting", {"reason": "#41 is running."},
     f"{RELEASE} waits to be deployed to staging by Ada Marsh: #41 is running"),
    ("deploy.waiting", {"reason": "It needs 1 approval.", "approvals": True},
     f"{RELEASE} waits for approval to be deployed to staging by Ada Marsh: It needs 1 approval"),
    ("deploy.met_lock", {"reason": "Locked."}, f"{RELEASE} is held before staging: Locked"),
    ("lock.acquired", LOCK | {"reason": "demo"},
     "mobile-api/staging is locked by Ada Marsh until 29 Nov 15:00 UTC: demo"),
    ("lock.released", LOCK, "mobile-api/staging is unlocked; Ada Marsh had locked it"),
    ("lock.handed_over", LOCK | {"reason": "demo"},
     "mobile-api/staging is handed over to Ada Marsh until 29 Nov 15:00 UTC: demo"),
]  # fmt: skip


@pytest.mark.parametrize(("kind", "facts", "wanted"), TEXTS)
def test_the_words(kind: str, facts: dict[str, Any], wanted: str) -> None:
    assert text(kind, **facts) == wanted


@pytest.mark.parametrize(
    ("kind", "facts"),
    [
        ("deploy.requested", {"deploy_kind": "task"}),
        ("deploy.succeeded", {"deploy_kind": "converge"}),
        ("lock.acquired", LOCK | {"lock_kind": "warning"}),
        ("host_run.failed", {}),
        ("signed_in", {}),
    ],
)
def test_what_is_nobodys_news(kind: str, facts: dict[str, Any]) -> None:
    assert text(kind, **facts) == ""


def test_a_text_of_its_own() -> None:
    own = {"deploy.succeeded": "{ref} is out on {environment}, see {link}"}
    assert text("deploy.succeeded", own) == f"intlrelease is out on staging, see {BASE}/deploys/7"


@pytest.mark.parametrize(
    ("template", "wrong"),
    [
        ("{nobody}", "{nobody} is unknown there; there is {application}"),
        ("{ref.__class__}", "{ref.__class__} is unknown"),
        ("{ref!r}", "{ref!r} is unknown"),
        ("{ref:>1000000000}", "{ref:>1000000000} is unknown"),
        ("{}", "{} is unknown"),
        ("{ref", "A brace stands alone"),
        ("{{ref}}", "A brace stands alone"),
        ("x" * 401, "at most 400"),
        ("a\u202eb", "can be seen"),
        ("https://ada:hunter2@example.com", "credential"),
    ],
)
def test_a_template_that_cannot_be(template: str, wrong: str) -> None:
    with pytest.raises(TemplateWrong) as refused:
        check_template(WORDS["deploy.begins"], template)
    assert wrong in str(refused.value)


def test_values_are_no_templates() -> None:
    """A branch may be called so."""
    assert text("deploy.succeeded", ref="{who}") == "mobile-api/{who} successfully deployed to staging"


def test_every_text_of_ours_is_one_that_people_could_write() -> None:
    for word in WORDS.values():
        assert check_template(word, word.template) == word.template
        assert "{" not in example(word, base=BASE).text({})


@pytest.mark.parametrize(
    ("said", "wanted"),
    [
        ("one\r\nQUIT :bye", "one QUIT :bye"),
        ("a\x00b\x1b[31m\u2028c", "a b [31m c"),
        ("\u202eevil\u200b", "evil"),
        ("see https://ada:hunter2@git.example/x", "see https://git.example/x"),
        ("xoxb-123-abc is it", "[hidden] is it"),
        ("https://hooks.slack.com/services/T0/B0/abc", "https://hooks.slack.com/[hidden]"),
    ],
)
def test_nothing_hides_in_a_text(said: str, wanted: str) -> None:
    assert clean(said, 100) == wanted
    assert text("deploy.failed", reason=said).endswith(f": {wanted}")


def test_a_text_ends_somewhere() -> None:
    assert len(text("deploy.failed", reason="x" * 5000)) < 601
