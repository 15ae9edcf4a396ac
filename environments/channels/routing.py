"""Which announcements go to a channel, and in which words: read from what people say. Pure."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

from notifications.announcements import KINDS, OUTCOMES, WORDS, TemplateWrong, check_template

MOST_NAMES = 200


@dataclass(frozen=True)
class Routing:
    """Names, each list empty for all; `templates` are texts of the channel's own, by announcement."""

    applications: Sequence[str] = ()
    environments: Sequence[str] = ()
    kinds: Sequence[str] = ()
    outcomes: Sequence[str] = ()
    templates: Mapping[str, str] = field(default_factory=dict)


def check(
    said: Routing, *, applications: Collection[str], environments: Collection[str]
) -> tuple[Routing, dict[str, str]]:
    """The routing as it is kept, and what is wrong, by field; `applications` and `environments` are those there are."""
    problems: dict[str, str] = {}
    lists = {
        "applications": (said.applications, applications, "application"),
        "environments": (said.environments, environments, "environment"),
        "kinds": (said.kinds, KINDS, "kind of announcement"),
        "outcomes": (said.outcomes, OUTCOMES, "outcome"),
    }
    kept: dict[str, list[str]] = {}
    for name, (names, known, what) in lists.items():
        kept[name] = sorted(set(names))[:MOST_NAMES]
        unknown = [one for one in kept[name] if one not in known]
        if unknown:
            problems[name] = f"{unknown[0][:63]!r} is no {what} that there is."
    templates, wrong = _templates(said.templates)
    return Routing(**kept, templates=templates), problems | wrong


def _templates(said: Mapping[str, str]) -> tuple[dict[str, str], dict[str, str]]:
    """An empty text, and one that is the Deployer's own, is none of the channel's."""
    kept: dict[str, str] = {}
    problems: dict[str, str] = {}
    for key, text in said.items():
        word = WORDS.get(key)
        if word is None:
            problems["templates"] = f"{key[:40]!r} is no announcement; there is {', '.join(WORDS)}."
            continue
        try:
            line = check_template(word, text)
        except TemplateWrong as wrong:
            problems[f"templates.{key}"] = f"{word.title}: {wrong}"
            continue
        if line and line != word.template:
            kept[key] = line
    return kept, problems
