"""From the bytes of a program's spool to lines and marks. Pure; positions are bytes from the spool's start."""

from dataclasses import dataclass

from deployments.host_program import parse_mark
from deployments.host_values import Mark
from deployments.redaction import MASK, Literal, Redactor, masked

LONGEST_LINE = 64 * 1024


@dataclass(frozen=True)
class Lines:
    """Whole lines of a step's output. Reading may begin again at `end` without loss or doubling."""

    texts: list[str]
    end: int


@dataclass(frozen=True)
class Marked:
    """A mark of our own program, in its place between the lines."""

    mark: Mark
    end: int


def decode(line: bytes) -> str:
    r"""Text for a line of any bytes: what is not UTF-8 shows as \xNN, so that it can be read back; NUL likewise."""
    return line.decode(errors="backslashreplace").replace("\x00", "\\x00")


class SpoolReader:
    """Feed what was read, in any pieces; whole lines and marks come out."""

    def __init__(self, nonce: str, secrets: frozenset[str], offset: int = 0) -> None:
        self._nonce = nonce
        self._sign = b"\x1e" + nonce.encode() + b" "
        self._secrets = secrets
        self._raw = b""
        self._at = offset
        self._redactor = Redactor(secrets, offset)
        self._line = b""
        self._dropped = 0

    def feed(self, data: bytes) -> list[Lines | Marked]:
        out: list[Lines | Marked] = []
        self._raw += data
        while (start := self._raw.find(self._sign)) >= 0:
            stop = self._raw.find(b"\n", start)
            if stop < 0:
                break
            self._output(self._raw[:start], out)
            self._end_line(out)
            mark = parse_mark(self._raw[start : stop + 1], self._nonce)
            self._skip(stop + 1 - start)
            self._raw = self._raw[stop + 1 :]
            if mark is not None:
                out.append(Marked(self._clean(mark), self._at))
        else:
            start = self._possible_sign()
        self._output(self._raw[:start], out)
        self._raw = self._raw[start:]
        return out

    def end(self) -> list[Lines | Marked]:
        """The program has ended or will say no more: what is left is a line."""
        out: list[Lines | Marked] = []
        self._output(self._raw, out)
        self._raw = b""
        self._end_line(out)
        return out

    def _possible_sign(self) -> int:
        """Where a mark may be beginning at the very end of what was read."""
        last = self._raw.rfind(b"\x1e", -len(self._sign))
        return last if last >= 0 and self._sign.startswith(self._raw[last:]) else len(self._raw)

    def _output(self, data: bytes, out: list[Lines | Marked]) -> None:
        if data:
            self._at += len(data)
            self._collect(self._redactor.feed(data), out)

    def _end_line(self, out: list[Lines | Marked]) -> None:
        if held := self._redactor.end():
            self._collect(held, out)
        if self._line or self._dropped:
            out.append(Lines([self._take_line()], self._at))

    def _skip(self, count: int) -> None:
        self._at += count
        self._redactor.restart(self._at)

    def _clean(self, mark: Mark) -> Mark:
        return Mark(mark.word, decode(masked(mark.args.encode(), self._secrets)))

    def _collect(self, pieces: list[Literal], out: list[Lines | Marked]) -> None:
        texts: list[str] = []
        end = 0
        for piece in pieces:
            *whole, rest = piece.data.split(b"\n")
            for part in whole:
                self._extend(part)
                texts.append(self._take_line())
            if whole and piece.data is not MASK:
                end = piece.start + len(piece.data) - len(rest)
            self._extend(rest)
        if texts:
            out.append(Lines(texts, end))

    def _extend(self, part: bytes) -> None:
        room = LONGEST_LINE - len(self._line)
        self._dropped += max(0, len(part) - room)
        self._line = self._line + part[:room] if self._line else part[:room]

    def _take_line(self) -> str:
        text = decode(self._line.removesuffix(b"\r"))
        if self._dropped:
            text += f" … [line cut after 64 KB: {self._dropped} more bytes]"
        self._line, self._dropped = b"", 0
        return text
