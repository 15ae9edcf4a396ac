"""What would be sent to servers of metrics."""

import pytest
from pytest_django import Settings

from notifications.metrics.samples import Sample
from notifications.metrics.sending import Sender


@pytest.fixture
def samples(monkeypatch: pytest.MonkeyPatch, settings: Settings) -> list[Sample]:
    """What is taken in from now on."""
    settings.METRICS = True
    taken: list[Sample] = []
    monkeypatch.setattr(Sender, "take", lambda _, sample: taken.append(sample))
    return taken


def said(samples: list[Sample]) -> dict[tuple[str, ...], float]:
    """By name and values of labels; without events, which each have a count of their own."""
    return {(sample.name, *sample.labels): sample.value for sample in samples if sample.name != "events"}
