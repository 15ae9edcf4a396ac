"""Errors:

WrittenError
├── WrittenWrong     the file says something that cannot be; where and why
└── NotApplied       a change was refused, and all of them were taken back
"""

from deployments.marked_yaml import YamlProblem


class WrittenError(Exception):
    """`str()` is the sentence for every door."""


class WrittenWrong(WrittenError):
    """`line` and `column` count from 1."""

    def __init__(self, problem: YamlProblem) -> None:
        self.line, self.column = problem.line, problem.column
        super().__init__(f"{problem} Nothing was changed.")


class NotApplied(WrittenError):
    pass
