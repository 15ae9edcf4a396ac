"""HookError
├── SourceWrong        what was typed cannot be; `problems` by the name of the field
├── NoSuchSource       nobody sends to this address
├── NotSigned          its signature is not that of the source, or it has none
├── TooLargeBody       longer than any that we take
├── TooMany            more within a minute than we take
├── Unreadable         it is signed, and not what its kind says
└── NothingToReplay    it was not signed, or its body is gone
"""

from collections.abc import Mapping


class HookError(Exception):
    """`str()` is the sentence for every door."""


class SourceWrong(HookError):
    def __init__(self, problems: Mapping[str, str]) -> None:
        self.problems = dict(problems)
        super().__init__(" ".join([*self.problems.values(), "Nothing was saved."]))


class NoSuchSource(HookError):
    pass


class NotSigned(HookError):
    pass


class TooLargeBody(HookError):
    pass


class TooMany(HookError):
    pass


class Unreadable(HookError):
    pass


class NothingToReplay(HookError):
    pass
