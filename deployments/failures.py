"""How a host's part in a deploy can go wrong.

ProgramFailed       by its `kind`, a word for machines
├── Fenced          a newer claim has taken over
└── SwitchUnknown   it may have switched, and cannot be asked
Stopped             the deploy is being cancelled
"""


class ProgramFailed(Exception):
    """How a host's part went wrong. `kind` is a word for machines, `str()` for people."""

    def __init__(self, kind: str, text: str) -> None:
        self.kind = kind
        super().__init__(text)


class Stopped(Exception):
    """The program was stopped because the deploy is being cancelled."""


class Fenced(ProgramFailed):
    """The host has seen a higher fence than this claim's."""

    def __init__(self, seen: int) -> None:
        self.seen = seen
        super().__init__("fence", f"the host has seen fence {seen}")


class SwitchUnknown(ProgramFailed):
    """The host may or may not have switched, and cannot be asked. `str()` is the whole truth of it."""

    def __init__(self, text: str) -> None:
        super().__init__("unknown", text)
