"""Would this commit deploy itself, and if not, which rule says no? The same judgement as of a delivery."""

from collections.abc import Sequence
from dataclasses import dataclass

from deployments import blockers
from deployments.blocker import Blocker
from deployments.hooks.judging import Verdict, judge
from deployments.hooks.looking import look
from environments import access, repositories
from environments.models import HookSource, Target, User
from environments.policies import rules_of


@dataclass(frozen=True)
class Explained:
    """`blockers`: what it would wait for, or be held by, if every rule says yes."""

    ref: str
    revision: str
    verdicts: Sequence[Verdict]
    blockers: Sequence[Blocker]

    @property
    def would(self) -> bool:
        return all(one.ok for one in self.verdicts)


def explain(target: Target, ref: str, *, by: User | None) -> Explained:
    """Of a branch, tag or commit. Raises RepositoryError, NotAllowed."""
    access.require(by, access.VIEW, target)
    revision = repositories.resolve(target.application, ref)
    named = () if repositories.is_hex(ref) else (ref,)
    rules = rules_of(target)
    verdicts = [_source(target), *judge(rules, look(target, rules, revision, named))]
    return Explained(ref, revision, verdicts, blockers.blockers(target, automatic=True))


def _source(target: Target) -> Verdict:
    rows = HookSource.objects.filter(application=target.application_id).select_related("account")
    able = [one for one in rows if access.allows(one.account, access.DEPLOY, target)]
    if able:
        return Verdict("source", True, "A source of hooks tells of its commits, and may deploy here.")
    told = "Its sources of hooks may not deploy here." if rows else "Nobody sends hooks for this application yet."
    return Verdict("source", False, told)
