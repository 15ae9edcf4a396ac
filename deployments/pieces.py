"""Which pieces a page has, and which of them a browser lacks. Pure text; nothing here knows what a page shows.

A piece is an element with `data-piece="name"`, the name being unique on its page; a piece within a piece belongs to
the outer one. Its mark is a digest of its HTML, less what differs each time it is rendered: words of relative times,
and the mask of a form's token. A browser says its marks in the order of its pieces, which the shape of the page fixes.
"""

import hashlib
import re
from base64 import urlsafe_b64encode
from dataclasses import dataclass
from functools import lru_cache
from zlib import crc32

MARK = 5  # characters, of six bits each

_PIECE = ' data-piece="'
_NAME = re.compile(r"<([a-z][a-z0-9]*)\b[^<>]*\Z")
# each begins with what stands there literally, so that a page of some 100 kB is searched in no time
_TIMES = re.compile(r"(<time\b[^<>]*>)[^<]*")
_TOKENS = re.compile(r"(name=\"csrfmiddlewaretoken\" value=\")[^\"]*")
_HEAD = {
    "title": re.compile(r"<title>(.*?)</title>", re.DOTALL),
    "icon": re.compile(r'<link rel="icon" href="([^"]*)"'),
    "topics": re.compile(r'<body\b[^<>]*?\sdata-topics="([^"]*)"'),
}


class Unbalanced(ValueError):
    """An element of a page is never closed: a mistake in a template."""


@dataclass(frozen=True, slots=True)
class Piece:
    """One piece: where its HTML begins and ends in the page, and its mark."""

    name: str
    begin: int
    end: int
    mark: str


@dataclass(frozen=True, slots=True)
class Page:
    """A rendered page and its pieces, in order."""

    html: str
    pieces: tuple[Piece, ...]

    @property
    def shape(self) -> str:
        """A checksum of the names, which the browser makes of its own pieces too."""
        return f"{crc32(chr(10).join(piece.name for piece in self.pieces).encode()):08x}"

    def marked(self, tag: str) -> str:
        """The page with the mark of each piece written at it, and the page's own tag at its main part."""
        parts, at = [], 0
        for piece in self.pieces:
            parts += [self.html[at : piece.begin], self.text_of(piece)]
            at = piece.end
        parts.append(self.html[at:])
        return "".join(parts).replace("<main ", f'<main data-tag="{tag}" ', 1)

    def text_of(self, piece: Piece) -> str:
        """The HTML of a piece, with its mark."""
        text = self.html[piece.begin : piece.end]
        return text.replace(' data-piece="', f' data-mark="{piece.mark}" data-piece="', 1)

    def beyond(self, marks: str) -> dict[str, str]:
        """The pieces that a browser with these marks lacks, by name."""
        said = [marks[at : at + MARK] for at in range(0, MARK * len(self.pieces), MARK)]
        return {it.name: self.text_of(it) for it, mark in zip(self.pieces, said, strict=True) if it.mark != mark}

    def head(self) -> dict[str, str]:
        """What stands outside of the pieces and may change: title, icon, and the topics to watch."""
        found = {name: pattern.search(self.html) for name, pattern in _HEAD.items()}
        return {name: match[1] if match else "" for name, match in found.items()}


def digest_of(text: str) -> str:
    """Eight characters."""
    return urlsafe_b64encode(hashlib.blake2b(text.encode(), digest_size=6).digest()).decode()


def read_page(html: str) -> Page:
    """Find the pieces. Raises Unbalanced."""
    found, at = [], 0
    while (here := html.find(_PIECE, at)) >= 0:
        begin, named = html.rfind("<", at, here), here + len(_PIECE)
        tag = _NAME.match(html[begin:here]) if begin >= 0 else None
        if tag is None:  # a text that says so
            at = named
            continue
        at = _end_of(html, begin, tag[1])
        text = _TOKENS.sub(r"\1", _TIMES.sub(r"\1", html[begin:at]))
        found.append(Piece(html[named : html.index('"', named)], begin, at, digest_of(text)[:MARK]))
    return Page(html, tuple(found))


@lru_cache
def _edges_of(name: str) -> "re.Pattern[str]":
    return re.compile(rf"<(/?){name}\b[^<>]*>")


def _end_of(html: str, begin: int, name: str) -> int:
    depth = 0
    for edge in _edges_of(name).finditer(html, begin):
        depth += -1 if edge[1] else 1
        if not depth:
            return edge.end()
    raise Unbalanced(f"<{name}> with a piece is never closed: {html[begin : begin + 200]}")
