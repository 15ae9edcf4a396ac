"""What templates say in one way everywhere, and that nobody has changed what was vendored."""

import subprocess
import sys
from datetime import timedelta

import pytest
from django.conf import settings
from django.utils import timezone

from deployments.templatetags import deployer as tags


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (-5, "now"),
        (44, "now"),
        (45, "1 min"),
        (90, "2 min"),
        (150, "3 min"),
        (3599, "60 min"),
        (3600, "1 h"),
        (86_400, "1 day"),
        (3 * 86_400, "3 days"),
        (90 * 86_400, "3 months"),
        (800 * 86_400, "2 years"),
    ],
)
def test_an_age_in_words(seconds: float, words: str) -> None:
    assert tags.age_of(seconds) == words


def test_a_time_carries_the_exact_one() -> None:
    at = timezone.now() - timedelta(hours=3)
    html = tags.age(at, "ago")
    assert f'datetime="{at.isoformat()}"' in html
    assert html.endswith(">3 h ago</time>")
    assert tags.age(None) == tags.NOTHING


@pytest.mark.parametrize("days", [-365, 365])
def test_a_far_day_is_told_with_its_year(days: int) -> None:
    far, near = timezone.now() + timedelta(days=days), timezone.now() + timedelta(days=3)
    assert tags.at(far).endswith(f">{far:%d %b %Y}</time>")
    assert tags.at(near).endswith(f">{near:%d %b, %H:%M}</time>")


@pytest.mark.parametrize(
    ("value", "words"), [(0, "0:00"), (48.4, "0:48"), (timedelta(minutes=12, seconds=5), "12:05"), (3723, "1:02:03")]
)
def test_a_duration(value: float | timedelta, words: str) -> None:
    assert tags.duration(value) == words


@pytest.mark.parametrize(("name", "letters"), [("Mara Lindqvist", "ML"), ("ada", "AD"), ("A B C", "AC"), ("", "")])
def test_initials(name: str, letters: str) -> None:
    assert tags.initials(name) == letters


def test_a_hit_is_marked_and_the_rest_is_escaped() -> None:
    assert tags.hit("<b>/Release", "rel") == "&lt;b&gt;/<b>Rel</b>ease"


def test_a_full_revision_is_called_a_commit() -> None:
    assert (tags.ref("a" * 40), tags.ref("main")) == ("commit", "main")


def test_a_zone_is_named_without_its_region() -> None:
    assert [tags.zone(*it) for it in (("eu-west-1a", "eu-west-1"), ("a", "eu"), ("eu", "eu"))] == ["a", "a", "eu"]


def test_what_was_vendored_is_unchanged() -> None:
    done = subprocess.run([sys.executable, str(settings.BASE_DIR / "vendor" / "fetch.py"), "--check"], check=False)
    assert done.returncode == 0
