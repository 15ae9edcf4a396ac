"""What the supervisor prints: one line per line of a process, with its name in front, and a box at the end."""

import os
import sys
from collections.abc import Sequence
from typing import TextIO

COLOURS = {"valkey": 35, "web": 36, "worker": 32, "fleet": 33, "seed": 33, "deployer": 1}
LONGEST_LINE = 64 * 1024


class Console:
    def __init__(self, stream: TextIO | None = None) -> None:
        self._stream = stream or sys.stdout
        self._colour = self._stream.isatty() and "NO_COLOR" not in os.environ
        self._width = 8

    def fit(self, names: Sequence[str]) -> None:
        """Make the column of names wide enough."""
        self._width = max(self._width, *(len(name) for name in names))

    def say(self, text: str, *, name: str = "deployer") -> None:
        label = name.ljust(self._width)
        if self._colour:
            label = f"\033[{COLOURS.get(name.split('-')[0], 37)}m{label}\033[0m"
        self._write(f"{label} | {text}\n")

    def box(self, lines: Sequence[str]) -> None:
        width = max(len(line) for line in lines)
        edge = "─" * (width + 2)
        body = "".join(f"│ {line.ljust(width)} │\n" for line in lines)
        self._write(f"\n┌{edge}┐\n{body}└{edge}┘\n\n")

    def _write(self, text: str) -> None:
        try:
            self._stream.write(text)
            self._stream.flush()
        except UnicodeEncodeError:
            self._stream.write(text.encode("ascii", "replace").decode("ascii"))
        except (BrokenPipeError, OSError):
            # Nobody reads any more (a closed terminal, `make up | head`): that must not end what is running.
            self._stream = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115


class Lines:
    """Bytes of a process, cut into lines; the last one may come without its end."""

    def __init__(self) -> None:
        self._rest = b""

    def feed(self, data: bytes) -> list[str]:
        *lines, self._rest = (self._rest + data).split(b"\n")
        if len(self._rest) > LONGEST_LINE:
            lines, self._rest = [*lines, self._rest], b""
        return [self._text(line) for line in lines]

    def end(self) -> list[str]:
        rest, self._rest = self._rest, b""
        return [self._text(rest)] if rest else []

    @staticmethod
    def _text(line: bytes) -> str:
        return line.decode("utf-8", "replace").rstrip("\r")
