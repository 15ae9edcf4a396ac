"""What a host does with a durable program: what `deployments/hostside` does, read from the program's own text.

One line at a time; between two lines anything may happen. Nothing here sleeps.
"""

import re
import shlex
from collections.abc import Callable, Iterator

from tests.deployments.model_hosts import LaidOut, ModelHost

_TEXT = re.compile(r"release=(\S*) revision=(\S*) mask=\d+\nfacts=.*?\nwork\(\) \{\n(.*)\n\}\nbegin\n", re.DOTALL)


class _Ended(Exception):
    """A program's result."""


class RunningProgram:
    """A durable program: begun once, it goes on without anybody; `printed` is its spool from the first byte."""

    def __init__(self, host: ModelHost, name: str, nonce: str, fence: int, text: str) -> None:
        self.host, self.name, self.nonce, self.fence = host, name, nonce, fence
        self.printed = b""
        self.has_spool = True
        self.result = ""
        self.stopping = False
        self.on_failure = ":"
        self.keep, self.protected = 0, ""
        found = _TEXT.search(text)
        assert found is not None, "a program of another shape than this model knows"
        self.release, self.revision = found[1], found[2]
        self._work: Iterator[None] | None = self._run([shlex.split(line) for line in found[3].split("\n")])

    @property
    def runs(self) -> bool:
        return self._work is not None

    def go_on(self) -> None:
        if self._work is not None and next(self._work, self) is self:
            self._work = None

    def end(self) -> None:
        while self.runs:
            self.go_on()

    def kill(self) -> None:
        self._work = None
        self.host.leave_lock(self)

    def _run(self, lines: list[list[str]]) -> Iterator[None]:
        try:
            self.host.take_lock(self)
            self._checkpoint()
            if not self.release:
                self._take_live()
            for words in lines:
                yield
                yield from self._line(words)
            raise _Ended("ok")
        except _Ended as ended:
            self.result = str(ended)
            self._mark(f"end {ended}")
        self.host.leave_lock(self)

    def _line(self, words: list[str]) -> Iterator[None]:
        if words[0] == "step":
            yield from self._step(words)
        elif words[0].startswith("on_failure="):
            self.on_failure = words[0].partition("=")[2]
        elif words[0].startswith("keep="):
            values = dict(word.split("=", 1) for word in words)
            self.keep, self.protected = int(values["keep"]), values["protect"]
        elif "=" not in words[0]:  # what else is set is about folders and files, of which there are none
            known: dict[str, Callable[[], None]] = {
                "write_access": lambda: None,
                "lay_out_git": self._lay_out,
                "use_held": self._need_release,
                "need_release": self._need_release,
                "need_live": self._need_live,
                "seal": self._seal,
                "mark_good": self._mark_good,
                "clean_up": self._clean_up,
            }
            known[words[0]]()

    def _step(self, words: list[str]) -> Iterator[None]:
        _, index, title = words[:3]
        self._checkpoint()
        self._mark(f"step begin {index} {title}")
        self._note("step", title)
        for line in range(2):
            self._print(f"{self.name}: {title} {line}\n")
            yield
        code = 143 if self.stopping else 1 if self.host.failing else 0
        self._mark(f"step end {index} {code}")
        if self.stopping:
            raise _Ended("stopped")
        if code:
            self.host.failing -= 1
            self._fail("step", f'step "{title}" ended with exit code 1')
        self._note("done", title)

    def _checkpoint(self) -> None:
        if self.stopping:
            raise _Ended("stopped")
        if self.fence < self.host.fence:
            self._fail("fence", f"a newer deploy (fence {self.host.fence}) has taken over this folder")

    def _take_live(self) -> None:
        if not self.host.current:
            self._fail("release", "nothing that was deployed serves yet")

    def _lay_out(self) -> None:
        host, there = self.host, self.host.releases.get(self.release)
        if there is not None and (host.current == self.release or there.good):
            self._fail("release", f"release {self.release} has served before and is not laid out again")
        for name, other in list(host.releases.items()):
            if not other.prepared and name not in (host.current, self.release):
                self._remove(name)
        host.releases[self.release] = LaidOut(self.revision)
        self._note("lay out", self.release)

    def _seal(self) -> None:
        self._checkpoint()
        self.host.releases[self.release].prepared = True
        self._note("seal", self.release)

    def _need_release(self) -> None:
        there = self.host.releases.get(self.release)
        if there is None or not there.prepared:
            self._fail("release", f"release {self.release} is not (or no longer) prepared on this host")

    def _need_live(self) -> None:
        self._need_release()
        if self.host.current != self.release:
            self._fail("release", f"release {self.release} does not serve on this host")

    def _mark_good(self) -> None:
        there = self.host.releases[self.release]
        there.good, there.bad = True, False
        self.host.good = [name for name in self.host.good if name != self.release] + [self.release]
        self._note("good", self.release)

    def _clean_up(self) -> None:
        """Kept: what serves, the two newest good ones, the two found good last, the newest, and what is protected."""
        good = 0
        kept = {self.host.current, self.release, *self.protected.split(), *self.host.good[-2:]}
        for counted, name in enumerate(sorted(self.host.releases, reverse=True), 1):
            stays = counted <= self.keep or name in kept
            if self.host.releases[name].good and good < 2:
                good, stays = good + 1, True
            if not stays:
                self._remove(name)

    def _remove(self, name: str) -> None:
        del self.host.releases[name]
        self._mark(f"removed {name}")
        self._note("remove", name)

    def _fail(self, kind: str, text: str) -> None:
        self._mark(f"fail {kind} {text}")
        if self.on_failure == "mark_bad":
            there = self.host.releases[self.release]
            there.good, there.bad = False, True
            self.host.good = [name for name in self.host.good if name != self.release]
            self._note("bad", self.release)
            self._clean_up()
        raise _Ended(f"failed {kind}")

    def _note(self, what: str, detail: str) -> None:
        self.host.note(self.fence, self.name, what, detail)

    def _mark(self, text: str) -> None:
        self._print(f"\x1e{self.nonce} {text}\n")

    def _print(self, text: str) -> None:
        self.printed += text.encode()
