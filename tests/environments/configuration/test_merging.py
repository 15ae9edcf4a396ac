"""Later layers win; what a host gets says where it comes from; and a thousand hosts cost no more queries than one."""

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from environments.configuration import changing, comparing, merging
from environments.configuration.merging import Layers
from environments.configuration.scopes import Scope
from environments.models import Host, Membership, Target
from tests import builders

pytestmark = [pytest.mark.both_databases, pytest.mark.django_db]


@pytest.fixture
def target() -> Target:
    return builders.make_target(hosts=2)


def host_of(target: Target) -> Host:
    found = target.environment.memberships.select_related("host__zone__region").first()
    assert found is not None
    return found.host


def scopes_of(target: Target) -> list[Scope]:
    """From the first layer to the last."""
    host = host_of(target)
    assert host.zone is not None
    places = (target.application, target.environment, target, host.zone.region, host.zone, host)
    return [Scope(of) for of in places]


def test_later_layers_win_and_each_value_says_its_source(target: Target) -> None:
    scopes = scopes_of(target)
    for scope in scopes:
        changing.set_value(scope, "A", scope.layer, by=None)
        changing.set_value(scope, scope.layer.upper(), scope.name, by=None)
    host = host_of(target)
    for scope in reversed(scopes):
        found = {it.name: it for it in merging.merged(target, host)}
        assert (found["A"].row.text, found["A"].layer, found["A"].source) == (scope.layer, scope.layer, scope.name)
        changing.remove_value(scope, "A", by=None)
    found = {it.name: it for it in merging.merged(target, host)}
    assert "A" not in found
    assert {it.name: it.source for it in found.values()} == {scope.layer.upper(): scope.name for scope in scopes}


def test_what_is_covered_is_told_the_nearest_first(target: Target) -> None:
    for scope in scopes_of(target):
        changing.set_value(scope, "A", scope.layer, by=None)
    (found,) = merging.merged(target, host_of(target))
    assert [row.layer for row in found.covered] == ["zone", "region", "target", "environment", "application"]


def test_without_a_host_only_what_all_have_in_common(target: Target) -> None:
    for scope in scopes_of(target):
        changing.set_value(scope, scope.layer.upper(), "x", by=None)
    assert [it.name for it in merging.merged(target)] == ["APPLICATION", "ENVIRONMENT", "TARGET"]


def test_nothing_of_another_application_environment_or_host_is_among_it(target: Target) -> None:
    other = builders.make_target(hosts=1)
    for scope in (Scope(other.application), Scope(other.environment), Scope(other), Scope(host_of(other))):
        changing.set_value(scope, "B", "x", by=None)
    assert merging.merged(target, host_of(target)) == []


def test_as_of_an_earlier_change(target: Target) -> None:
    scope = Scope(target)
    changing.set_value(scope, "A", "one", by=None)
    then = merging.newest_change()
    changing.set_value(scope, "A", "two", by=None)
    changing.set_value(scope, "B", "new", by=None)
    changing.remove_value(scope, "A", by=None)
    assert [(it.name, it.row.text) for it in Layers.read(target, upto=then).merged(None)] == [("A", "one")]
    assert [(it.name, it.row.text) for it in Layers.read(target).merged(None)] == [("B", "new")]
    told = [(it.name, it.word) for it in comparing.between_times(target, then)]
    assert told == [("A", "removed"), ("B", "added")]


def test_the_digest_follows_the_content_and_not_the_number_of_changes(target: Target) -> None:
    scope = Scope(target)
    assert Layers.read(target).digest() == ""
    changing.set_value(scope, "A", "one", secret=True, by=None)
    first = Layers.read(target).digest()
    changed = changing.set_value(scope, "A", "two", by=None)
    assert changed is not None
    assert Layers.read(target).digest() != first
    changing.undo(changed, by=None)
    assert Layers.read(target).digest() == first
    assert Layers.read(target).digest(("env", ".env")) != first


def test_two_environments_are_compared_by_value(target: Target) -> None:
    other = builders.make_target(application=target.application, environment=builders.make_environment())
    changing.set_value(Scope(target.application), "SAME", "x", by=None)
    changing.set_value(Scope(target), "URL", "https://a.example", by=None)
    changing.set_value(Scope(other), "URL", "https://b.example", by=None)
    changing.set_value(Scope(target), "EQUAL", "y", secret=True, by=None)
    changing.set_value(Scope(other.environment), "EQUAL", "y", secret=True, by=None)
    changing.set_value(Scope(other), "ONLY", "z", by=None)
    told = [(it.name, it.word) for it in comparing.between_targets(target, other)]
    assert told == [("ONLY", "added"), ("URL", "changed")]


def test_a_thousand_hosts_cost_as_many_queries_as_one(target: Target) -> None:
    zone = builders.make_zone()

    def queries() -> int:
        with CaptureQueriesContext(
            connection,
        ) as seen:
            layers = Layers.read(target)
            for host in Host.objects.filter(memberships__environment=target.environment):
                layers.merged(host)
        return len(seen)

    changing.set_value(Scope(target), "A", "x", by=None)
    few = queries()
    hosts = Host.objects.bulk_create(Host(name=f"many-{n}", address="127.0.0.1", zone=zone) for n in range(1000))
    Membership.objects.bulk_create(Membership(environment=target.environment, host=host) for host in hosts)
    for host in hosts[:20]:
        changing.set_value(Scope(host), "A", host.name, by=None)
    assert queries() == few == 3
