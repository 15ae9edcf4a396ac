"""What becomes of a delivery on one target: its policy is asked, then the same verb as everybody's."""

from typing import Any

from deployments import lifecycle
from deployments.blockers import Blocked
from deployments.hooks.judging import Verdict, chosen_ref, first_no, judge
from deployments.hooks.looking import look, overtaken
from deployments.hooks.saying import Said
from deployments.models import Deploy, HookDecision, HookDelivery, Trigger, Word
from deployments.recipe_file import RecipeFileError
from deployments.release_configuration import ConfigurationUnusable
from deployments.states import DeployStatus
from environments import history
from environments.access import NotAllowed
from environments.models import Target
from environments.policies import read_rules
from environments.preset import PresetError
from environments.secret_stores.errors import StoreError
from environments.sources.listing import SourceError

REFUSALS = (
    *(Blocked, NotAllowed, lifecycle.LifecycleError, RecipeFileError, ConfigurationUnusable, PresetError),
    *(StoreError, SourceError),
)


class Overtaken(Exception):
    """Others came in between; `verdict` says so."""

    def __init__(self, verdict: Verdict) -> None:
        self.verdict = verdict
        super().__init__(verdict.told)


def decide(delivery: HookDelivery, target: Target, said: Said) -> None:
    """Deploy it, or write down which rule says no. Raises RepositoryError."""
    rules = read_rules(target.policy)
    facts = look(target, rules, delivery.revision, said.refs)
    verdict = first_no(judge(rules, facts))
    if verdict is not None:
        _write(delivery, target, verdict)
        return
    try:
        deploy = _request(delivery, target, chosen_ref(rules, facts))
    except Overtaken as error:
        _write(delivery, target, error.verdict)
    except REFUSALS as refusal:
        _put(delivery, target, Word.REFUSED, str(refusal))
    else:
        _put(delivery, target, *_told(deploy), deploy=deploy)


def _request(delivery: HookDelivery, target: Target, ref: str) -> Deploy:
    def still_so() -> None:
        if found := overtaken(target, delivery.revision):
            raise Overtaken(found)

    return lifecycle.request_deploy(
        target=target,
        ref=ref,
        revision=delivery.revision,
        by=delivery.source.account,
        by_name=history.committer_of(target.application, delivery.revision),
        trigger=Trigger.HOOK,
        automatic=True,
        wait=True,
        unless=still_so,
    )


def _told(deploy: Deploy) -> tuple[str, str]:
    if deploy.met_lock is not None:
        return Word.HELD, f"#{deploy.number} is held by a lock until somebody says what becomes of it."
    if deploy.status == DeployStatus.WAITING:
        return Word.QUEUED, f"#{deploy.number} waits for its turn."
    return Word.DEPLOYED, f"#{deploy.number} deploys {deploy.revision[:7]} from {deploy.ref}."


def _write(delivery: HookDelivery, target: Target, verdict: Verdict) -> None:
    """Of a deploy that this very delivery asked for, before its worker died, the word is made good."""
    rows = Deploy.objects.filter(target=target, revision=delivery.revision, by=delivery.source.account)
    mine = rows.filter(hook_decisions=None, requested_at__gte=delivery.received_at).select_related("met_lock").first()
    if verdict.word == Word.DUPLICATE and mine is not None:
        _put(delivery, target, *_told(mine), deploy=mine)
        return
    known = Deploy.objects.filter(target=target, revision=delivery.revision).first()
    _put(delivery, target, verdict.word, verdict.told, deploy=known if verdict.word == Word.DUPLICATE else None)


def _put(delivery: HookDelivery, target: Target, word: str, told: str, *, deploy: Deploy | None = None) -> None:
    facts: dict[str, Any] = {"word": word, "told": told, "deploy": deploy}
    HookDecision.objects.update_or_create(delivery=delivery, target=target, defaults=facts)
