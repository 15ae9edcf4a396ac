"""A target's counters belong to the database."""

import pytest
from django.db.models import F

from environments.models import Target
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
