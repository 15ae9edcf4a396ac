"""The page on which a target's tasks are made, changed and put in order."""

import pytest
from django.test import Client
from django.urls import reverse

from deployments.setup_pages.tasks import read_question, tell_question
from environments.models import Role, Task
from notifications.models import Event
from tests import builders
from tests.deployments.shop_pages import sign_in

pytestmark = pytest.mark.django_db
CLEAR = {
    "step": ["4"], "step-4-name": "clear-cache", "step-4-command": "bin/cache --clear\r\n", "step-4-time_limit": "60",
    "step-4-silence_limit": "30", "step-4-sudo": "no", "step-4-repeatable": "yes", "step-4-roles": "web worker",
    "step-4-questions": "level: How much? [some, all] = some\r\nkey",
}  # fmt: skip


@pytest.mark.parametrize(
    ("line", "asked"),
    [
        ("key", {"name": "key"}),
        ("key: Which one?", {"name": "key", "label": "Which one?"}),
        ("level [a, b c] = a", {"name": "level", "choices": ["a", "b c"], "default": "a"}),
        ("url = http://x/?a=[1]", {"name": "url", "default": "http://x/?a=[1]"}),
        ("level: How much? [some, all] = some",
         {"name": "level", "label": "How much?", "default": "some", "choices": ["some", "all"]}),
    ],
)  # fmt: skip
def test_a_question_is_a_line(line: str, asked: dict[str, object]) -> None:
    assert read_question(line) == asked
    assert read_question(tell_question(asked)) == asked


@pytest.fixture
def client() -> Client:
    builders.make_target(
        application=builders.make_application(name="shop"), environment=builders.make_environment(name="staging")
    )
    return sign_in(builders.make_user(role=Role.MAINTAINER))


def test_tasks_are_made_changed_put_in_order_and_removed(client: Client) -> None:
    address = reverse("edit-tasks", args=["shop", "staging"])
    assert "No tasks yet" in client.get(address).content.decode()
    assert client.post(address, CLEAR).status_code == 302
    task = Task.objects.get()
    assert (task.command, task.roles) == ("bin/cache --clear", ["web", "worker"])
    assert (task.time_limit, task.silence_limit, task.sudo, task.repeatable) == (60, 30, False, True)
    assert [asked["name"] for asked in task.parameters] == ["level", "key"]
    html = client.get(address).content.decode()
    assert "level: How much? [some, all] = some\nkey" in html
    two = {"step": ["9", "4"], "step-9-name": "restart", "step-9-command": "true", "step-9-time_limit": "9"}
    assert client.post(address, CLEAR | two | {"step-9-silence_limit": "9"}).status_code == 302
    assert [(row.name, row.pk == task.pk) for row in Task.objects.all()] == [("restart", False), ("clear-cache", True)]
    events = Event.objects.filter(kind="tasks.changed").count()
    client.post(address, CLEAR | two | {"step-9-silence_limit": "9"})
    assert Event.objects.filter(kind="tasks.changed").count() == events  # nothing changed
    assert client.post(address, {}).status_code == 302
    assert not Task.objects.exists()


def test_what_is_wrong_is_marked_and_nothing_is_saved(client: Client) -> None:
    wrong = CLEAR | {"step-4-name": "Clear It", "step-4-command": "", "step-4-silence_limit": "90"}
    answer = client.post(reverse("edit-tasks", args=["shop", "staging"]), wrong)
    assert answer.status_code == 422
    html = answer.content.decode()
    assert "2 things cannot be so" in html
    assert 'value="Clear It"' in html
    assert not Task.objects.exists()


def test_a_card_comes_by_its_number(client: Client) -> None:
    assert 'id="step-7-name"' in client.get(reverse("new-task"), {"number": "7"}).content.decode()
    assert client.get(reverse("new-task"), {"number": "x"}).status_code == 404
