"""ChannelError
├── ChannelWrong     what was typed cannot be; `problems` by the name of the field
├── ChannelTaken     there is a channel of that name
├── NotStopped       it is sent to already
└── TestFailed       the other side did not take a test; why, and what to do
"""

from collections.abc import Mapping


class ChannelError(Exception):
    """`str()` is the sentence for every door."""


class ChannelWrong(ChannelError):
    def __init__(self, problems: Mapping[str, str]) -> None:
        self.problems = dict(problems)
        super().__init__(" ".join([*self.problems.values(), "Nothing was saved."]))


class ChannelTaken(ChannelError):
    pass


class NotStopped(ChannelError):
    pass


class TestFailed(ChannelError):
    __test__ = False  # no class of tests, whatever pytest makes of its name
