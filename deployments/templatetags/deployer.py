"""What our templates say in one way everywhere: icons, state shapes, revisions, times, durations."""

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from functools import lru_cache
from html import escape
from typing import Any
from urllib.parse import quote
from zoneinfo import ZoneInfo

from django import template
from django.template import RequestContext
from django.urls import NoReverseMatch, reverse
from django.utils import timezone
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from deployments.models import Deploy
from environments.models import Team, User

register = template.Library()

SIGNS = {
    "waiting": "…",
    "running": "◔",
    "cancelling": "◌",
    "watching": "◉",
    "succeeded": "✓",
    "partial": "◐",
    "failed": "✗",
    "cancelled": "⊘",
    "needs_attention": "!",
}

_OFF = ' class="dp-mut"'
NOTHING = "\N{EN DASH}"  # for what has not happened

MINUTE, HOUR, DAY = 60, 3600, 86400
FAR = timedelta(days=180)  # from there on a day without its year may be any year's; page.js has the same

# How many deploys wait: live.js fills it in, so that no page has to count them.
WAITING = SafeString('<span class="dp-n" data-waiting hidden><b></b><span class="dp-sr"> deploys wait</span></span>')


@register.simple_tag
@lru_cache(maxsize=500)
def icon(name: str, extra: str = "") -> SafeString:
    """An icon of the sprite; always beside words, so hidden from screen readers."""
    return format_html('<svg class="dp-i {}" aria-hidden="true"><use href="#i-{}"/></svg>', extra, name)


@register.simple_tag
@lru_cache(maxsize=500)
def shape(name: str, extra: str = "") -> SafeString:
    """A state's shape, as d-running or h-live; the words stand beside it."""
    return format_html('<svg class="dp-g {}" aria-hidden="true"><use href="#{}"/></svg>', extra, name)


@register.simple_tag(takes_context=True)
def nav_link(context: RequestContext, name: str, words: str) -> SafeString:
    """A link of the main navigation; nothing where there is no such route. The page one is on, or below, is marked."""
    try:
        address = reverse(name)
    except NoReverseMatch:
        return SafeString("")
    request = context.get("request")
    path = request.path if request else ""
    below = address != "/" and path.startswith(address.rstrip("/") + "/")
    current = SafeString(' aria-current="page"' if path == address else ' aria-current="true"' if below else "")
    count = WAITING if name == "waiting" else ""
    return format_html('<a href="{}" data-place="{}"{}>{}{}</a>', address, name, current, words, count)


@register.simple_tag
def options(found: Iterable[str | tuple[str, str]], chosen: str = "") -> SafeString:
    """What a list offers: values, or values with their words. Made for a thousand."""
    parts = []
    for one in found:
        value, words = (one, one) if isinstance(one, str) else one
        own = "" if value == words else f' value="{escape(value)}"'  # without one its words are its value
        parts.append(f"<option{own}{' selected' if value == chosen else ''}>{escape(words)}</option>")
    return SafeString("".join(parts))


@register.simple_tag
def members(team: Team, viewer: User, may_change: bool) -> SafeString:
    """The members of a team; for who may, with a button each that takes them out. Made for hundreds."""
    place, name, parts = reverse("settings-teams"), escape(team.name), []
    for member in team.members.all():
        here, words = member.is_active, escape(member.full_name)
        title = f"{words}, {escape(member.username)}{'' if here else ', disabled'}"
        address = f"{place}/{name}/members/{quote(member.username, safe='')}/remove"
        take = (
            f'<button class="dp-ico dp-s" form="act" formaction="{escape(address)}" '
            f'aria-label="Take {words} out of {name}">{icon("x")}</button>'
        )
        parts.append(
            f'<li{"" if here else _OFF}><span class="dp-cut" title="{title}">{words}'
            f"{', you' if member.pk == viewer.pk else ''}</span>{take if may_change else ''}</li>"
        )
    return SafeString("".join(parts))


@register.simple_tag
def squares(found: Iterable[Any]) -> SafeString:
    """The squares of hosts (page_queries.host_map.Square), each with name and state on hover. Made for thousands."""
    parts = []
    for square in found:
        name, (before, after) = escape(square.name), _square_around(square.mark)
        parts.append(f'<svg class="dp-g {before}" data-host="{name}" aria-hidden="true"><title>{name}{after}')
    return SafeString("".join(parts))


@lru_cache(maxsize=100)
def _square_around(mark: Any) -> tuple[str, str]:
    """What stands before and after a name, of a square with this mark."""
    return escape(mark.tone_class), f': {escape(mark.words)}</title><use href="#{escape(mark.shape)}"/></svg>'


@register.simple_tag
def cells(found: Iterable[Any], size: int) -> SafeString:
    """The cells of hosts in the picture of a zone (page_queries.grid.Square), as grid.js changes them."""
    parts = []
    for square in found:
        run, name = square.run, escape(square.run.host_name)
        began = f' data-began="{run.started_at.isoformat()}"' if run.started_at else ""
        ended = f' data-ended="{run.finished_at.isoformat()}"' if run.finished_at else ""
        parts.append(
            f'<use href="#m-{run.status}" class="{square.mark.tone_class}" x="{square.x}" y="{square.y}" '
            f'width="{size}" height="{size}" role="option" aria-selected="false" id="host-{name}" data-host="{name}" '
            f'data-state="{run.status}"{began}{ended} aria-label="{name}: {escape(square.words)}"></use>'
        )
    return SafeString("".join(parts))


@register.filter
def short(revision: str) -> str:
    """The seven digits that people read."""
    return revision[:7]


@register.filter
def initials(name: str) -> str:
    """Two letters for a person: of the first and the last word, else of the one word."""
    words = name.split()
    letters = words[0][0] + words[-1][0] if len(words) > 1 else name[:2]
    return letters.upper()


@register.filter
def duration(value: timedelta | float | None) -> str:
    """`0:48`, `12:05`, `1:02:03`; a dash for what has not happened."""
    if value is None:
        return NOTHING
    seconds = max(0, round(value.total_seconds() if isinstance(value, timedelta) else value))
    minutes, seconds = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{seconds:02}" if hours else f"{minutes}:{seconds:02}"


@register.simple_tag
def took(deploy: Deploy) -> str:
    """How long a finished deploy took."""
    return duration(deploy.finished_at - deploy.started_at) if deploy.finished_at and deploy.started_at else NOTHING


@register.filter
def ref(name: str) -> str:
    """A branch or tag as it is; a full revision as the word for it, as the digits stand beside it already."""
    return "commit" if len(name) == 40 and all(digit in "0123456789abcdef" for digit in name) else name


def age_of(seconds: float) -> str:
    """An age in the words that static/js/page.js uses, too."""
    if seconds < 45:
        return "now"
    if seconds < HOUR:
        return f"{max(1, _round(seconds / MINUTE))} min"
    if seconds < DAY:
        return f"{_round(seconds / HOUR)} h"
    days = _round(seconds / DAY)
    if days < 2:
        return "1 day"
    if days < 60:
        return f"{days} days"
    return f"{_round(days / 30.4)} months" if days < 700 else f"{_round(days / 365)} years"


@register.simple_tag
def age(at: datetime | None, form: str = "") -> SafeString:
    """A relative time, the exact one on hover. `form`: "" (`3 h`), "ago" (`3 h ago`) or "clock" (`14:01:12`)."""
    if at is None:
        return SafeString(NOTHING)
    words = age_of((timezone.now() - at).total_seconds())
    if form == "clock":
        words = f"{at:%H:%M:%S}"
    elif form == "ago" and words != "now":
        words += " ago"
    exact = f"{at:%Y-%m-%d %H:%M:%S} UTC"
    # nothing in it comes from elsewhere, and a page has hundreds
    return SafeString(f'<time datetime="{at.isoformat()}" data-as="{form}" title="{exact}">{words}</time>')


@register.simple_tag
def at(moment: datetime) -> SafeString:
    """A time that is to come, as the viewer's clock shows it (page.js), with its day, or its year; here in UTC."""
    exact = f"{moment:%Y-%m-%d %H:%M:%S} UTC"
    text = f"{moment:%d %b %Y}" if abs(moment - timezone.now()) > FAR else f"{moment:%d %b, %H:%M}"
    # nothing in it comes from elsewhere
    return SafeString(f'<time datetime="{moment.isoformat()}" data-as="at" title="{exact}">{text}</time>')


@register.simple_tag
def local(moment: datetime, zone: str) -> str:
    """As a field for a date and time wants it, on the clock of a zone."""
    return f"{moment.astimezone(ZoneInfo(zone)):%Y-%m-%dT%H:%M}"


@register.simple_tag
def ends(iso: str) -> SafeString:
    """`until 18:00`, of an end as a blocker has it; nothing without one."""
    return format_html("until {}", at(datetime.fromisoformat(iso))) if iso else SafeString("")


@register.filter
def length_of(seconds: int | None) -> str:
    """`2 h`, as somebody in line wants a lock."""
    return "no end" if seconds is None else age_of(max(60, seconds))


@register.filter
def sign(status: str) -> str:
    """One character for the title of a tab."""
    return SIGNS.get(status, "")


@register.filter
def zone(name: str, region: str) -> str:
    """What a zone's name adds to its region's: `a` of `eu-west-1a` in `eu-west-1`."""
    return name.removeprefix(region).lstrip("-") or name or NOTHING


@register.filter
def coded(text: str) -> SafeString:
    """A sentence in which what stands between backticks is code."""
    pieces = str(text).split("`")
    if len(pieces) % 2 == 0:
        return format_html("{}", text)
    marked = ((format_html("<code>{}</code>", piece) if number % 2 else piece,) for number, piece in enumerate(pieces))
    return format_html_join("", "{}", marked)


@register.filter
def kilobytes(number: int) -> str:
    """A size as people read it: 840 MB, 41 GB."""
    megabytes = number / 1024
    return (
        f"{megabytes / 1024:,.0f} GB"
        if megabytes >= 10_000
        else f"{megabytes / 1024:.1f} GB"
        if megabytes >= 1000
        else f"{megabytes:.0f} MB"
    )


@register.filter
def lines(values: Iterable[str]) -> str:
    """One to a line, for a field of several lines."""
    return "\n".join(values)


@register.filter
def listed(words: str) -> str:
    """`read deploy lock` as `read, deploy, lock`."""
    return ", ".join(words.split())


@register.filter
def lookup(mapping: Mapping[str, str], name: str) -> str:
    """What a mapping holds under a name that has dots, or comes from elsewhere."""
    return mapping.get(name, "")


@register.filter
def times(number: int) -> range:
    """To repeat something, at most 60 times."""
    return range(min(number, 60))


@register.filter
def hit(name: str, query: str) -> SafeString:
    """A name with what was typed in bold."""
    at = name.lower().find(query.lower()) if query else -1
    if at < 0:
        return format_html("{}", name)
    end = at + len(query)
    return format_html("{}<b>{}</b>{}", name[:at], name[at:end], name[end:])


@register.filter
def minus(number: int, other: int) -> int:
    """The difference."""
    return number - other


@register.filter
def thousands(number: int) -> str:
    """`1,000`, as the log's pane writes numbers."""
    return f"{number:,}"


@register.filter
def percent(part: int, whole: int) -> str:
    """`part` of `whole` as an SVG width: 58.3%."""
    return f"{100 * part / whole:.1f}%" if whole else "0%"


def _round(value: float) -> int:
    """Half up, as JavaScript rounds; Python would round halves to even."""
    return int(value + 0.5)
