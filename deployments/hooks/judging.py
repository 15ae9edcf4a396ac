"""Whether a policy lets a commit deploy itself: each rule with its answer, the first that says no first. Pure."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from deployments.models import CheckState, Word
from environments.globs import fits
from environments.models import Asked
from environments.policies import Rules

NAMED = 5


@dataclass(frozen=True)
class Reported:
    """What a check said last of the commit."""

    name: str
    state: str


@dataclass(frozen=True)
class Facts:
    """What is so of a commit and a target. None where nobody can tell.

    `refs`: those that it is on, of those it was told of. `known`: the number of its deploy there, 0: none. `newer`: a
    sentence on what is live or on its way there and contains it. `main`: the main branch's name.
    """

    revision: str
    refs: tuple[str, ...]
    message: str = ""
    known: int = 0
    newer: str = ""
    live: str = ""
    contains_live: bool | None = True
    main: str = "main"
    contains_main: bool | None = True
    touches: bool | None = True
    checks: tuple[Reported, ...] = ()


@dataclass(frozen=True)
class Verdict:
    """What one rule says: `word` is what becomes of the commit if it says no."""

    rule: str
    ok: bool
    told: str
    word: str = Word.SKIPPED


def judge(rules: Rules, facts: Facts) -> list[Verdict]:
    """Every rule that is asked, in the order in which they are told."""
    return [*_where(rules, facts), *of_history(facts), *_what(rules, facts), *_checks(rules, facts)]


def first_no(verdicts: Sequence[Verdict]) -> Verdict | None:
    return next((one for one in verdicts if not one.ok), None)


def chosen_ref(rules: Rules, facts: Facts) -> str:
    """The ref by which it goes out; "" if none fits."""
    found = [ref for ref in facts.refs if not rules.refs or any(fits(ref, glob) for glob in rules.refs)]
    return found[0] if found else ""


def of_history(facts: Facts) -> Iterator[Verdict]:
    """What is asked again while the target is held, for others may have come in between."""
    told = f"It was asked for here already, as #{facts.known}." if facts.known else "It was never asked for here."
    yield Verdict("new", not facts.known, told, Word.DUPLICATE)
    yield Verdict("age", not facts.newer, facts.newer or "Nothing newer is live here, or on its way.", Word.OLDER)


def _where(rules: Rules, facts: Facts) -> Iterator[Verdict]:
    told = "Green builds deploy themselves." if rules.automatic else "Here people alone deploy."
    yield Verdict("automatic", rules.automatic, told)
    ref = chosen_ref(rules, facts)
    wanted = ", ".join(rules.refs) or "any branch or tag"
    if ref:
        yield Verdict("ref", True, f"It is on {ref}, and {wanted} may go out.")
    else:
        on = f"on {', '.join(facts.refs[:NAMED])}" if facts.refs else "on no branch or tag of the repository"
        yield Verdict("ref", False, f"It is {on}; {wanted} may go out.")


def _what(rules: Rules, facts: Facts) -> Iterator[Verdict]:
    found = [word for word in rules.skip_words if word.lower() in facts.message.lower()]
    if rules.skip_words:
        told = f"Its message says {found[0]}." if found else "Its message asks for no exception."
        yield Verdict("message", not found, told)
    if rules.paths:
        where = ", ".join(rules.paths)
        words = {
            True: f"It changes something in {where}.",
            False: f"It changes nothing in {where} since what is live.",
            None: f"What is live is not in the repository, so all of {where} counts as changed.",
        }
        yield Verdict("paths", facts.touches is not False, words[facts.touches])
    if rules.contains_live:
        yield _contains("contains-live", facts.contains_live, f"what is live, {facts.live[:7]}", facts.live)
    if rules.contains_main:
        yield _contains("contains-main", facts.contains_main, f"the newest of {facts.main}", facts.main)


def _contains(rule: str, found: bool | None, what: str, there: str) -> Verdict:
    if not there:
        return Verdict(rule, True, "Nothing is live yet that it would have to contain.")
    told = {True: f"It contains {what}.", None: f"Nobody can tell whether it contains {what}."}
    return Verdict(rule, found is True, told.get(found, f"It does not contain {what}; bring it up to date."))


def _checks(rules: Rules, facts: Facts) -> Iterator[Verdict]:
    if rules.checks == Asked.NONE:
        yield Verdict("checks", True, "No check is asked for.")
        return
    asked = [one for one in facts.checks if rules.checks == Asked.ALL or one.name in rules.names]
    missing = [name for name in rules.names if name not in {one.name for one in asked}]
    if rules.checks == Asked.ALL:
        missing = [] if asked else ["any check"]
    red = [one.name for one in asked if one.state == CheckState.RED]
    running = [one.name for one in asked if one.state == CheckState.PENDING]
    if red:
        yield Verdict("checks", False, f"{_several(red)} red.")
    elif running:
        yield Verdict("checks", False, f"It waits for {', '.join(running[:NAMED])}, under way still.", Word.CHECKS)
    elif missing:
        told = f"It waits for {', '.join(missing[:NAMED])}: nothing was heard of that yet for this commit."
        yield Verdict("checks", False, told, Word.CHECKS)
    else:
        yield Verdict("checks", True, f"{_several([one.name for one in asked])} green.")


def _several(names: Sequence[str]) -> str:
    told = ", ".join(sorted(set(names))[:NAMED])
    more = len(set(names)) - NAMED
    return f"{told}{f' and {more} more' if more > 0 else ''} {'is' if len(set(names)) == 1 else 'are'}"
