"""What the log pane asks over HTTP: for those who may look, with parameters that are what they must be."""

import pytest
from django.test import Client

from deployments.models import Deploy
from tests.builders import make_deploy, make_lines, make_user

pytestmark = pytest.mark.django_db


@pytest.fixture
def deploy() -> Deploy:
    made = make_deploy()
    for n in range(30):
        make_lines(deploy=made, texts=[f"{n} one", f"{n} ü two"], host=f"web{n % 3}")
    return made


@pytest.fixture
def client() -> Client:
    client = Client()
    client.force_login(make_user(role="viewer"))
    return client


def test_lines_by_place(deploy: Deploy, client: Client) -> None:
    facts = client.get(f"/deploys/{deploy.pk}/log/lines?at=10&most=3").json()
    assert (facts["total"], facts["at"]) == (60, 10)
    assert [line["n"] for line in facts["lines"]] == [11, 12, 13]
    assert set(facts["lines"][0]) == {"n", "host", "at", "stream", "text"}
    facts = client.get(f"/deploys/{deploy.pk}/log/lines?host=web1&most=2").json()
    assert [(line["n"], line["host"]) for line in facts["lines"]] == [(57, "web1"), (58, "web1")]
    facts = client.get(f"/deploys/{deploy.pk}/log/lines?n=31&most=2").json()
    assert [line["n"] for line in facts["lines"]] == [30, 31]


def test_hits(deploy: Deploy, client: Client) -> None:
    facts = client.get(f"/deploys/{deploy.pk}/log/hits?q=%C3%9C+TWO&from=50").json()
    assert facts == {"hits": [50, 52, 54, 56, 58, 60], "searched": 60, "done": True}


@pytest.mark.parametrize(
    "asked",
    [
        "lines?at=-1",
        "lines?at=x",
        "lines?n=1.5",
        "lines?most=9999999999999999",
        "lines?host=..",
        "lines?at=%D9%A1",
        "hits",
        "hits?q=",
        f"hits?q={'x' * 201}",
        "hits?q=a&from=b",
        "hits?q=a&host=%2F",
    ],
)
def test_a_wrong_question_is_refused(asked: str, deploy: Deploy, client: Client) -> None:
    assert client.get(f"/deploys/{deploy.pk}/log/{asked}").status_code == 400


@pytest.mark.parametrize("asked", ["lines", "hits?q=a"])
def test_who_may_not_look_gets_nothing(asked: str, deploy: Deploy) -> None:
    assert Client().get(f"/deploys/{deploy.pk}/log/{asked}").status_code == 302
    assert b"one" not in Client().get(f"/deploys/{deploy.pk}/log/{asked}").content


@pytest.mark.parametrize("asked", ["lines", "hits?q=a"])
def test_no_such_deploy(asked: str, client: Client) -> None:
    assert client.get(f"/deploys/987654/log/{asked}").status_code == 404
