"""Rows written and chosen by the hundred: as the slower ways would, without their cost."""

import pytest
from django.db.models import F, Value
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries

from deployments.models import HeldRelease, HostRun, Placement, Program, bulk
from deployments.models.bulk import ids_of
from environments.models import Host
from tests.deployments.ended import request
from tests.deployments.fleet import FleetTarget

pytestmark = [pytest.mark.both_databases, pytest.mark.django_db]


def test_among_finds_what_in_finds(place: FleetTarget) -> None:
    runs = list(request(place).runs.all())
    some = ids_of(runs[:2])
    assert ids_of(HostRun.objects.filter(pk__among=some)) == some
    assert HostRun.objects.filter(host__among={runs[2].host_id}).get() == runs[2]
    assert HostRun.objects.exclude(pk__among=some).get() == runs[2]


def test_among_nothing_is_nothing(place: FleetTarget) -> None:
    request(place)
    assert not HostRun.objects.filter(pk__among=set()).exists()


def test_among_takes_whole_numbers_alone() -> None:
    with pytest.raises(ValueError, match="invalid literal"):
        HostRun.objects.filter(pk__among={"1) OR (1=1"}).exists()


def test_rows_come_back_with_their_ids(place: FleetTarget) -> None:
    runs = list(request(place).runs.all())
    columns = ("run_id", "phase", "attempt", "nonce", "result", "started_at")
    many = [(run.pk, "prepare", attempt, "n", "", timezone.now()) for run in runs for attempt in range(1, 90)]
    made = bulk.insert(Program, columns, many, ("id", "run_id"))
    assert len(made) == Program.objects.count() == 3 * 89 > bulk.MOST_VALUES // len(columns)
    assert dict(made) == dict(Program.objects.values_list("pk", "run_id"))


def test_what_exists_stays_as_it_is(place: FleetTarget) -> None:
    deploy = request(place)
    assert deploy.release is not None
    for run in deploy.runs.all():
        Placement.objects.create(host=Host.objects.get(name=run.host_name), target=place.target)
    kept = HeldRelease.objects.create(placement=Placement.objects.all()[0], release=deploy.release)
    facts = {"placement_id": F("pk"), "release_id": Value(deploy.release_id, HeldRelease._meta.pk)}
    for _ in range(2):
        bulk.insert_from(HeldRelease, Placement.objects.filter(target=place.target), facts)
    assert HeldRelease.objects.count() == 3
    assert HeldRelease.objects.filter(pk=kept.pk).exists()


def test_rows_are_read_as_django_reads_them(
    place: FleetTarget, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    deploy = request(place)
    runs = HostRun.objects.filter(deploy=deploy)
    with django_assert_num_queries(1):
        made = bulk.read(runs, without=("finished_at",), deploy=deploy)
        assert [run.deploy for run in made] == [deploy] * 3
    columns = [field.attname for field in HostRun._meta.concrete_fields]
    for one, other in zip(made, runs.order_by("id"), strict=True):
        assert one == other
        assert one.get_deferred_fields() == {"finished_at"}
        with django_assert_num_queries(1):
            assert [getattr(one, name) for name in columns] == [getattr(other, name) for name in columns]
        one.step = "changed"
        one.save()
        other.refresh_from_db()
        assert other.step == "changed"
