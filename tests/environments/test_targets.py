"""A target's counters belong to the database; a step is what its preset asks for."""

from typing import Any

import pytest
from django.core.exceptions import ValidationError
from django.db.models import F

from environments.models import Step, Target
from tests import builders


@pytest.mark.django_db
@pytest.mark.both_databases
def test_saving_a_row_that_was_read_earlier_sets_no_counter_back() -> None:
    stale = builders.make_target()
    Target.objects.filter(pk=stale.pk).update(fence=F("fence") + 7, last_number=F("last_number") + 3)
    stale.keep = 9
    stale.save()
    stale.refresh_from_db()
    assert (stale.fence, stale.last_number, stale.keep) == (7, 3, 9)


@pytest.mark.parametrize(
    ("fields", "wrong"),
    [
        ({"preset": "lnt"}, "preset"),
        ({"command": ""}, "command"),
        ({"preset": "lint"}, "command"),
        ({"preset": "lint", "command": ""}, "parameters"),
        ({"preset": "lint", "command": "", "parameters": {"checks": [1]}}, "parameters"),
        ({"preset": "lint", "command": "", "parameters": ["x"]}, "parameters"),
        ({"preset": "restart-touch-file", "command": "", "phase": "prepare"}, "phase"),
    ],
)
@pytest.mark.django_db
def test_a_step_is_what_its_preset_asks_for(fields: dict[str, Any], wrong: str) -> None:
    step = Step(**{"target": builders.make_target(), "name": "build", "command": "make", **fields})
    with pytest.raises(ValidationError) as refused:
        step.full_clean()
    assert list(refused.value.message_dict) == [wrong]
