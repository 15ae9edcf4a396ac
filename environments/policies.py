"""Which commits a machine may deploy to a target by itself: the rules, and changing them."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from django.core.exceptions import ValidationError
from django.db import transaction

from environments import access
from environments.globs import validate_glob
from environments.models import Asked, Policy, Target, User
from environments.models.hooks import usual_skip_words
from environments.validation import validate_line
from notifications import events

MOST = 50
LONGEST = 200


class WrongPolicy(Exception):
    """What was typed cannot be; `problems` by the name of the field. `str()` is the sentence for every door."""

    def __init__(self, problems: Mapping[str, str]) -> None:
        self.problems = dict(problems)
        super().__init__(" ".join([*self.problems.values(), "Nothing was changed."]))


@dataclass(frozen=True)
class Rules:
    """A policy as it shall be; the field's meanings are those of the model."""

    automatic: bool = False
    refs: tuple[str, ...] = ()
    checks: str = Asked.ALL
    names: tuple[str, ...] = ()
    contains_live: bool = False
    contains_main: bool = False
    skip_words: tuple[str, ...] = tuple(usual_skip_words())
    paths: tuple[str, ...] = ()


def rules_of(target: Target) -> Rules:
    """Those that hold now."""
    row = Policy.objects.filter(target=target).first()
    return read_rules(row) if row else Rules(refs=(target.application.default_branch,))


def read_rules(row: Policy) -> Rules:
    return rules_from({name: getattr(row, name) for name in Rules.__dataclass_fields__})


def rules_from(facts: Mapping[str, Any]) -> Rules:
    """Of plain values by name, whose lists are of texts."""
    plain: dict[str, Any] = {name: tuple(value) if isinstance(value, list) else value for name, value in facts.items()}
    return Rules(**plain)


def set_policy(target: Target, rules: Rules, *, by: User | None) -> None:
    """Other rules from now on; what was decided stays so. Raises WrongPolicy, NotAllowed."""
    access.require(by, access.MAINTAIN, target)
    if problems := _problems(rules):
        raise WrongPolicy(problems)
    if rules == rules_of(target) and Policy.objects.filter(target=target).exists():
        return
    facts = {name: list(value) if isinstance(value, tuple) else value for name, value in asdict(rules).items()}
    with transaction.atomic():
        Policy.objects.update_or_create(target=target, defaults=facts)
        _record(target, rules, by)


def remove_policy(target: Target, *, by: User | None) -> None:
    """As if it had never been given one: people alone deploy. Raises NotAllowed."""
    access.require(by, access.MAINTAIN, target)
    with transaction.atomic():
        if Policy.objects.filter(target=target).delete()[0]:
            _record(target, rules_of(target), by)


def tell(rules: Rules) -> str:
    """In a few words, for lists and events."""
    if not rules.automatic:
        return "people alone deploy"
    of = f"of {', '.join(rules.refs)} " if rules.refs else ""
    checked = {
        Asked.ALL: "when every check is green",
        Asked.NAMED: f"when {', '.join(rules.names)} {'is' if len(rules.names) == 1 else 'are'} green",
        Asked.NONE: "as soon as they are pushed",
    }
    return f"commits {of}deploy themselves {checked[Asked(rules.checks)]}"


def _record(target: Target, rules: Rules, by: User | None) -> None:
    named: dict[str, Any] = {"endpoint": target.name} if target.name else {}
    actor, environment = by.username if by else "", target.environment.name
    place: dict[str, Any] = {"application": target.application.name, "environment": environment}
    events.record("target.policy_changed", actor, **place, told=tell(rules), **named)


def _problems(rules: Rules) -> dict[str, str]:
    lists: dict[str, tuple[Sequence[str], Callable[[str], None]]] = {
        "refs": (rules.refs, validate_glob),
        "names": (rules.names, validate_line),
        "skip_words": (rules.skip_words, validate_line),
        "paths": (rules.paths, validate_glob),
    }
    problems: dict[str, str] = {}
    for name, (values, check) in lists.items():
        if len(values) > MOST or any(not value.strip() or len(value) > LONGEST for value in values):
            problems[name] = f"These are at most {MOST}, of at most {LONGEST} characters each, and none is empty."
            continue
        try:
            for value in values:
                check(value)
        except ValidationError as error:
            problems[name] = error.messages[0]
    if rules.checks not in Asked.values:
        problems["checks"] = f"{rules.checks[:40]!r} is none of {', '.join(Asked.values)}."
    elif rules.checks == Asked.NAMED and not rules.names:
        problems["names"] = "Name at least one check."
    return problems
