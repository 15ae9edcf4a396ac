"""Names that people give stand apart from the sentence around them: one in another script must not turn it round."""

import re
from pathlib import Path

TEMPLATES = Path(__file__).parent.parent.parent / "templates"
NAME = re.compile(
    r"\{\{ ?(?:[a-z_]+\.)*(?:by_name|full_name|holder_name|given_by|aside_by|note_by|accepted_by|who)"
    r"(?:\|(?:capfirst|default:'[^']*'))* ?\}\}"
)
TAGS = re.compile(r"\{%.*?%\}|\{\{.*?\}\}", re.DOTALL)
# What cannot hold an element: an attribute, a choice, a title.
PLAIN = re.compile(r"<[^>]*\Z|<(?:option|title)\b[^<]*\Z")


def bare(text: str) -> list[str]:
    """The names in the text of a template that no <bdi> holds."""
    found = []
    for match in NAME.finditer(text):
        before = TAGS.sub("", text[: match.start()])
        title = text.rfind("{% block title %}", 0, match.start()) > text.rfind("{% endblock", 0, match.start())
        if not before.endswith("<bdi>") and not PLAIN.search(before) and not title:
            found.append(match[0])
    return found


def test_every_name_of_a_person_is_isolated() -> None:
    wrong = {str(path.relative_to(TEMPLATES)): bare(path.read_text()) for path in TEMPLATES.rglob("*.html")}
    assert {path: names for path, names in wrong.items() if names} == {}


def test_one_that_is_not_would_be_found() -> None:
    assert bare("<p>By {{ deploy.by_name }}, now</p>") == ["{{ deploy.by_name }}"]
    assert not bare("<p title='{{ deploy.by_name }}'>By <bdi>{{ deploy.by_name|capfirst }}</bdi></p>")
