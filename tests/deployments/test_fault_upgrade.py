"""An upgrade while deploys run: old code works on the new schema, and a failed migration changes nothing."""

import pytest
from django.apps import apps
from django.db import connection, models, transaction
from django.db.migrations import AddField, Migration, RunPython
from django.db.migrations.loader import MigrationLoader
from django.db.models import NOT_PROVIDED

from deployments.models import Deploy
from environments.models import Region, Step
from tests.deployments.conftest import MakeFleetTarget
from tests.deployments.ended import request
from tests.deployments.fleet import Driver

FIRST = "0001_first"
OWN = ("deployments", "environments", "notifications")


def _of_the_first() -> list[type[models.Model]]:
    """The models as the first version's code knows them."""
    loader = MigrationLoader(None)
    state = loader.project_state([key for key in loader.graph.nodes if key[0] in OWN and key[1] == FIRST])
    return [model for model in state.apps.get_models() if model._meta.app_label in OWN]


@pytest.mark.parametrize("old", _of_the_first(), ids=lambda model: model._meta.label)
def test_old_code_works_on_the_new_tables(old: type[models.Model]) -> None:
    """It reads every column that it knows, and what it inserts lacks the new ones."""
    new = apps.get_model(old._meta.app_label, old.__name__)
    known = {field.column for field in old._meta.local_fields}
    columns = {field.column: field for field in new._meta.local_fields}
    assert known <= set(columns), "a column that old code reads is gone"
    added = [columns[name] for name in sorted(set(columns) - known)]
    assert [field.name for field in added if not field.null and field.db_default is NOT_PROVIDED] == []


@pytest.mark.parametrize("model", [apps.get_model(app, name) for app in OWN for name in apps.all_models[app]])
def test_a_default_of_the_database_is_one_of_the_code_too(model: type[models.Model]) -> None:
    """Or else a row that was just made here has no value until it is read again."""
    fields = [field for field in model._meta.local_fields if field.db_default is not NOT_PROVIDED]
    assert [field.name for field in fields if not field.has_default()] == []


@pytest.mark.both_databases
@pytest.mark.django_db
def test_what_old_settings_pages_insert_is_as_usual() -> None:
    """An application, a region, a target and a step, as the first version's code writes them."""
    old = {model.__name__: model._default_manager for model in _of_the_first()}
    application = old["Application"].create(name="shop", repository="https://code.example/shop.git")
    environment = old["Environment"].create(name="staging")
    target = old["Target"].create(application=application, environment=environment, root="/srv/shop")
    old["Step"].create(target=target, name="build", command="make")
    old["Region"].create(name="eu-west")
    (step,) = Step.objects.select_related("target__application")
    step.full_clean()
    step.target.full_clean()
    step.target.application.full_clean()
    Region.objects.get().full_clean()
    assert (step.preset, step.parameters, step.target.drift_minutes) == ("command", {}, 15)


def test_a_deploy_in_flight_goes_on_with_old_rows(make_fleet_target: MakeFleetTarget, driver: Driver) -> None:
    """What code of the first version has written is taken up by this one."""
    (old_placement,) = [model for model in _of_the_first() if model.__name__ == "Placement"]
    place = make_fleet_target(hosts=2)
    deploy = request(place)
    for run in deploy.runs.all():
        old_placement._default_manager.create(host_id=run.host_id, target_id=place.target.pk)
    driver.run_to_end(deploy)
    assert Deploy.objects.get(pk=deploy.pk).status == "succeeded"


def _fail(*_: object) -> None:
    raise RuntimeError("in the middle")


class _Broken(Migration):
    operations = [
        AddField("worker", "half", models.CharField(max_length=10, default="")),
        RunPython(_fail, RunPython.noop),
    ]


@pytest.mark.both_databases
@pytest.mark.django_db(transaction=True)
def test_a_migration_that_fails_half_way_leaves_the_tables_as_they_were() -> None:
    before = _tables()
    broken = _Broken("9999_broken", "deployments")
    state = MigrationLoader(None).project_state()

    def migrate() -> None:
        with connection.schema_editor(atomic=True) as editor:
            broken.apply(state, editor)

    with pytest.raises(RuntimeError):
        migrate()
    assert _tables() == before
    with transaction.atomic():
        assert Deploy.objects.count() == 0


def _tables() -> dict[str, list[str]]:
    with connection.cursor() as cursor:
        names = connection.introspection.table_names(cursor)
        return {
            name: [column.name for column in connection.introspection.get_table_description(cursor, name)]
            for name in sorted(names)
        }
