"""Each rule of a policy: yes, no, and nobody can tell. Pure, and against a real repository where git decides."""

from dataclasses import replace
from typing import Any

import pytest

from deployments.hooks import explaining
from deployments.hooks.judging import Facts, Reported, chosen_ref, first_no, judge
from environments import history, policies, repositories
from environments.globs import fits
from environments.models import Target
from environments.policies import Rules
from tests import builders
from tests.repository import GIT_ENVIRONMENT, Repository

FACTS = Facts("a" * 40, ("main",), live="b" * 40, checks=(Reported("CI", "green"),))
RULES = Rules(automatic=True, refs=("main",))


def refused_by(rules: Rules, facts: Facts) -> tuple[str, str] | None:
    found = first_no(judge(rules, facts))
    return (found.rule, found.word) if found else None


@pytest.mark.parametrize(
    ("rules", "facts", "expected"),
    [
        ({}, {}, None),
        ({"automatic": False}, {}, ("automatic", "skipped")),
        ({"refs": ()}, {}, None),
        ({"refs": ("release/*",)}, {}, ("ref", "skipped")),
        ({}, {"refs": ()}, ("ref", "skipped")),
        ({}, {"known": 7}, ("new", "duplicate")),
        ({}, {"newer": "It is older."}, ("age", "older")),
        ({}, {"message": "Fix [SKIP deploy]"}, ("message", "skipped")),
        ({"skip_words": ()}, {"message": "Fix [skip deploy]"}, None),
        ({"paths": ("src/**",)}, {"touches": False}, ("paths", "skipped")),
        ({"paths": ("src/**",)}, {"touches": None}, None),
        ({}, {"touches": False}, None),
        ({"contains_live": True}, {"contains_live": False}, ("contains-live", "skipped")),
        ({"contains_live": True}, {"contains_live": None}, ("contains-live", "skipped")),
        ({"contains_live": True}, {"contains_live": None, "live": ""}, None),
        ({"contains_main": True}, {"contains_main": False}, ("contains-main", "skipped")),
        ({}, {"contains_live": False, "contains_main": False}, None),
        ({}, {"checks": ()}, ("checks", "checks")),
        ({}, {"checks": (Reported("CI", "pending"),)}, ("checks", "checks")),
        ({}, {"checks": (Reported("CI", "red"), Reported("lint", "pending"))}, ("checks", "skipped")),
        ({"checks": "none"}, {"checks": (Reported("CI", "red"),)}, None),
        ({"checks": "named", "names": ("CI",)}, {"checks": (*FACTS.checks, Reported("lint", "red"))}, None),
        ({"checks": "named", "names": ("CI", "lint")}, {}, ("checks", "checks")),
    ],
)
def test_which_rule_says_no(rules: dict[str, Any], facts: dict[str, Any], expected: tuple[str, str] | None) -> None:
    assert refused_by(replace(RULES, **rules), replace(FACTS, **facts)) == expected


def test_each_rule_tells_its_answer() -> None:
    everything = replace(RULES, contains_live=True, contains_main=True, paths=("src/**",))
    for touches in (True, False, None):
        told = [one.told for one in judge(everything, replace(FACTS, touches=touches, contains_main=False))]
        assert all(text.endswith((".", "date")) for text in told)
        assert len(told) == 9


def test_it_goes_out_by_the_ref_that_fits() -> None:
    assert chosen_ref(replace(RULES, refs=("release/*",)), replace(FACTS, refs=("main", "release/2"))) == "release/2"


@pytest.mark.parametrize(
    ("name", "glob", "does"),
    [
        ("main", "main", True),
        ("main2", "main", False),
        ("release/2", "release/*", True),
        ("release/2/x", "release/*", False),
        ("release/2/x", "release/**", True),
        ("a/b/c.py", "**/c.py", True),
        ("c.py", "**/c.py", True),
        ("v1.2", "v?.?", True),
        ("v1x2", "v1.2", False),
    ],
)
def test_what_a_glob_fits(name: str, glob: str, does: bool) -> None:
    assert fits(name, glob) is does


@pytest.mark.django_db
def test_what_git_says(target: Target, repository: Repository) -> None:
    old = repository.git("rev-parse", "HEAD")
    builders.make_deploy(target=target, revision=old)
    repository.commit({"docs/a.txt": "x"}, branch="docs")
    new = repository.commit({"src/deep/b.py": "x"})
    application = target.application

    def refused(ref: str, **rules: Any) -> set[str]:
        policies.set_policy(target, Rules(automatic=True, checks="none", **rules), by=None)
        return {one.rule for one in explaining.explain(target, ref, by=None).verdicts if not one.ok} - {"source"}

    assert refused("main", paths=("src/**",)) == set()
    assert refused("docs", paths=("src/**",)) == {"paths"}
    assert refused("docs", refs=("main",)) == {"ref"}
    assert refused("docs", contains_main=True) == {"contains-main"}
    assert refused(old[:12]) == {"new"}
    assert history.contains(application, new, old) is True
    assert history.contains(application, old, new) is False
    assert history.contains(application, new, "e" * 40) is None
    assert history.is_older(application, old, new)
    assert not history.is_older(application, new, new)
    builders.make_deploy(target=target, revision="e" * 40)
    assert refused("docs", contains_live=True) == {"contains-live"}


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("name", "address", "told"),
    [("Grace \u202eHopper", "grace@example.org", "Grace Hopper"), ("GitHub", "noreply@github.com", "Ada")],
)
def test_who_committed_it(
    name: str, address: str, told: str, target: Target, repository: Repository, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The author, where the git host has committed for them; letters that turn a line round are left out."""
    monkeypatch.setitem(GIT_ENVIRONMENT, "GIT_COMMITTER_NAME", name)
    monkeypatch.setitem(GIT_ENVIRONMENT, "GIT_COMMITTER_EMAIL", address)
    revision = repository.commit({"x": name})
    repositories.resolve(target.application, "main")
    assert history.committer_of(target.application, revision) == told
