"""Where can one go, and what can one do, by some words? For the command palette and the search page alike.

Every word must be found in a thing's name; a target's is that of its application and its environment together. Answers
come from small tables by a fixed number of queries, and hold only what this person may do.
"""

import re
from collections.abc import Sequence

from django.db.models import F, Q
from django.urls import NoReverseMatch, reverse

from deployments.models import Deploy, Star
from deployments.page_queries.choices import Choice, Group
from deployments.page_queries.search_locks import LOCK_VERBS, find_lock_deeds
from deployments.page_queries.words import mark_of_deploy
from environments import sight
from environments.access import ADMINISTER, DEPLOY, LOCK, VIEW, allows, allows_somewhere
from environments.models import Application, Environment, Host, Target, User

MOST_WORDS = 6
SHOWN = 6
SHOWN_TARGETS = 8
RECENT = 100  # of a person's own deploys, where targets are looked for without a word
_NUMBER = re.compile(r"#?([1-9][0-9]{0,8})")
_COMMIT = re.compile(r"[0-9a-f]{7,40}")

# Name of the route, words, more words by which it is found, permission, keys.
PAGES = (
    ("home", "Home", "applications matrix", VIEW, "g h"),
    ("waiting", "Waiting", "queue held", VIEW, "g w"),
    ("environments", "Environments", "regions zones", VIEW, "g e"),
    ("hosts", "Hosts", "machines servers drift", VIEW, "g o"),
    ("activity", "Activity", "audit trail events", VIEW, "g a"),
    ("settings", "Settings", "password account", VIEW, "g s"),
    ("settings-people", "People", "users roles invite settings", ADMINISTER, ""),
    ("settings-teams", "Teams", "members groups settings", ADMINISTER, ""),
    ("settings-permissions", "Permissions", "roles grants protected everyone who may settings", ADMINISTER, ""),
    ("settings-tokens", "Tokens", "api ci settings", ADMINISTER, ""),
    ("settings-keys", "Keys", "ssh key pair settings", ADMINISTER, ""),
    ("settings-environments", "Environments, in Settings", "order settings", ADMINISTER, ""),
    ("settings-regions", "Regions and zones", "gateway queue settings", ADMINISTER, ""),
    ("windows", "Windows and freezes", "deploy hours freeze calendar settings", VIEW, ""),
    ("settings-sources", "Host sources", "inventory ansible cmdb heartbeat hosts settings", ADMINISTER, ""),
    (
        "settings-providers",
        "Sign-in",
        "openid connect oidc sso provider passwords settings",
        ADMINISTER,
        "",
    ),
    ("settings-stores", "Secret stores", "vault openbao secrets command settings", ADMINISTER, ""),
    ("settings-steps", "Step presets", "presets steps settings", ADMINISTER, ""),
)
# Done by the page itself: static/js/palette.js knows these names.
DOINGS = (
    ("theme", "Light or dark", "theme colour appearance", "sun", ""),
    ("shortcuts", "Keyboard shortcuts", "help keys", "search", "?"),
)
_VERBS = {
    "deploy": ("deploy",),
    "back": ("rollback", "roll", "back", "revert", "undo"),
    **LOCK_VERBS,
}
_FILLER = ("to", "in", "on", "the", "for")


def search(user: User, text: str) -> list[Group]:
    """What is found, best first. At most seven queries, and two for what this person may."""
    words = text.lower().split()[:MOST_WORDS]
    deploys = allows_somewhere(user, DEPLOY)
    verb, rest = _split_verb(words) if deploys or allows_somewhere(user, LOCK) else ("", words)
    targets = _find_targets(user, [word for word in rest if not _NUMBER.fullmatch(word) or word.isdecimal()])
    groups = [
        Group("Do", _deeds(user, targets, verb, rest) if words else []),
        Group("Targets", [_to_target(target) for target in targets]),
        Group("Deploys", _find_deploys(user, words) if words else []),
        Group("Runs this commit", _find_commit(user, words)),
        Group("Applications", _find_applications(user, words) if words else []),
        Group("Environments", _find_environments(user, words) if words else []),
        Group("Hosts", _find_hosts(user, words) if words else []),
        Group("Pages", _find_pages(user, words)),
        Group("This page", _find_doings(words)),
    ]
    if not verb:  # whoever names no deed looks for a place
        groups = [*groups[1:4], groups[0], *groups[4:]]
    return [group for group in groups if group.choices]


def _split_verb(words: Sequence[str]) -> tuple[str, list[str]]:
    """What shall be done, if the first word says so, and the words that name to what."""
    if not words:
        return "", []
    for verb, names in _VERBS.items():
        if len(words[0]) > 2 and any(name.startswith(words[0]) for name in names):
            known = {*names, *_FILLER}
            return verb, [word for word in words[1:] if word not in known]
    return "", list(words)


def _find_targets(user: User, words: Sequence[str]) -> list[Target]:
    """By words; without any, those of this person: starred, or deployed to last."""
    # endpoints too, but none that is gone
    found = Target.objects.filter(sight.of_targets(user), endpoint__gone_at=None).select_related(
        "application", "environment", "standing__latest"
    )
    if not words:
        starred = Star.objects.filter(person=user).values("target")
        mine = Deploy.objects.filter(by=user).order_by("-id").values("target")[:RECENT]
        ids = [row["target"] for row in [*starred, *mine]]
        first = list(dict.fromkeys(ids))[:SHOWN_TARGETS]
        return sorted(found.filter(pk__in=first), key=lambda target: first.index(target.pk))
    for word in words:
        found = found.filter(_named_like(word))
    ranked = found.order_by("application__name", "environment__position", "environment__name", "name")
    starts = list(ranked.filter(application__name__startswith=words[0])[:SHOWN_TARGETS])
    if len(starts) == SHOWN_TARGETS:
        return starts
    others = ranked.exclude(application__name__startswith=words[0])
    return [*starts, *others[: SHOWN_TARGETS - len(starts)]]


def _named_like(word: str) -> Q:
    return Q(application__name__contains=word) | Q(environment__name__contains=word) | Q(name__contains=word)


def _to_target(target: Target) -> Choice:
    standing = getattr(target, "standing", None)
    latest = standing.latest if standing else None
    note = f"#{latest.number} {mark_of_deploy(latest.status).words.lower()}" if latest else "nothing yet"
    return Choice(_named(target), reverse("target", args=[target.application.name, target.place]), note)


def _named(target: Target) -> str:
    return f"{target.application.name} / {target.place}"


def _deeds(user: User, targets: Sequence[Target], verb: str, words: Sequence[str]) -> list[Choice]:
    if verb in LOCK_VERBS:
        return find_lock_deeds(user, verb, targets, words)
    return _actions(user, targets, verb)


def _actions(user: User, targets: Sequence[Target], verb: str) -> list[Choice]:
    """Deploy and roll back, on what was found; both where no deed was named."""
    found = []
    able = [target for target in targets if allows(user, DEPLOY, target)]
    for target in able[: SHOWN if verb else 2]:
        place, names = [target.application.name, target.place], f"{target.application.name} to {target.place}"
        if verb != "back":
            found.append(Choice(f"Deploy {names}", reverse("new-deploy", args=place), icon="rocket"))
        if verb != "deploy" and target.last_number > 1:
            url = reverse("target", args=place) + "#history"
            found.append(Choice(f"Roll back {_named(target)}", url, "choose a deploy", icon="arrow-back-up"))
    return found


def _find_deploys(user: User, words: Sequence[str]) -> list[Choice]:
    """`#41`, or `shop 41`: by number, of the targets that the other words name."""
    numbers = [match[1] for word in words if (match := _NUMBER.fullmatch(word))]
    if len(numbers) != 1:
        return []
    targets = Target.objects.filter(sight.of_targets(user), last_number__gte=int(numbers[0]))
    for word in words:
        if not _NUMBER.fullmatch(word):
            targets = targets.filter(_named_like(word))
    found = Deploy.objects.filter(number=int(numbers[0]), target__in=list(targets.values_list("pk", flat=True)))
    rows = found.select_related("target__application", "target__environment").order_by("-id")[:SHOWN]
    return [
        Choice(
            f"{_named(deploy.target)} #{deploy.number}",
            reverse("deploy", args=[deploy.pk]),
            f"{deploy.revision[:7]}, {mark_of_deploy(deploy.status).words.lower()}",
        )
        for deploy in rows
    ]


def _find_commit(user: User, words: Sequence[str]) -> list[Choice]:
    """Targets on which the commit is what went live last."""
    if len(words) != 1 or not _COMMIT.fullmatch(words[0]):
        return []
    found = Target.objects.filter(sight.of_targets(user), name="", standing__live__revision__startswith=words[0])
    rows = found.select_related("application", "environment").annotate(since=F("standing__live__finished_at"))[:SHOWN]
    return [
        Choice(
            _named(it), reverse("target", args=[it.application.name, it.environment.name]), words[0][:7], "git-commit"
        )
        for it in rows
    ]


def _find_applications(user: User, words: Sequence[str]) -> list[Choice]:
    found = Application.objects.filter(sight.of_applications(user))
    for word in words:
        found = found.filter(name__contains=word)
    return [Choice(it.name, reverse("application", args=[it.name])) for it in found.order_by("name")[:SHOWN]]


def _find_environments(user: User, words: Sequence[str]) -> list[Choice]:
    found = Environment.objects.filter(sight.of_environments(user))
    for word in words:
        found = found.filter(name__contains=word)
    return [Choice(it.name, reverse("environment", args=[it.name])) for it in found[:SHOWN]]


def _find_hosts(user: User, words: Sequence[str]) -> list[Choice]:
    found = Host.objects.filter(sight.of_hosts(user)).select_related("zone")
    for word in words:
        found = found.filter(Q(name__contains=word) | Q(address__startswith=word))
    return [
        Choice(it.name, reverse("host", args=[it.name]), it.zone.name if it.zone else "")
        for it in found.order_by("name")[:SHOWN]
    ]


def _find_pages(user: User, words: Sequence[str]) -> list[Choice]:
    found = []
    for name, title, more, permission, keys in PAGES:
        if not allows_somewhere(user, permission) or (not words and not keys):
            continue
        if all(word in f"{title} {more}".lower() for word in words):
            try:
                found.append(Choice(title, reverse(name), keys=keys))
            except NoReverseMatch:
                continue
    return found


def _find_doings(words: Sequence[str]) -> list[Choice]:
    return [
        Choice(title, icon=icon, keys=keys, does=name)
        for name, title, more, icon, keys in DOINGS
        if all(word in f"{title} {more}".lower() for word in words)
    ]
