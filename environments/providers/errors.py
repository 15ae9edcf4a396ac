"""ProviderError
├── ProviderWrong       what was typed cannot be; `problems` by the name of the field
├── ProviderTaken       there is a provider of that name
├── NoSuchProvider      nothing is called so
├── NoSuchMapping       that group means nothing here
├── WrongMapping        a group cannot mean that
├── AlreadySo           nothing would change
├── LastWay             nobody could come in any more
├── NoAnswer            it did not answer, or nothing that could be understood
├── NotBelieved         what it says cannot be true: of itself, or of a person
└── NotLetIn            it is true, but this person does not come in
"""

from collections.abc import Mapping


class ProviderError(Exception):
    """`str()` is the sentence for every door."""


class ProviderWrong(ProviderError):
    def __init__(self, problems: Mapping[str, str]) -> None:
        self.problems = dict(problems)
        super().__init__(" ".join([*self.problems.values(), "Nothing was saved."]))


class ProviderTaken(ProviderError):
    pass


class NoSuchProvider(ProviderError):
    pass


class NoSuchMapping(ProviderError):
    pass


class WrongMapping(ProviderError):
    pass


class AlreadySo(ProviderError):
    pass


class LastWay(ProviderError):
    pass


class NoAnswer(ProviderError):
    pass


class NotBelieved(ProviderError):
    pass


class NotLetIn(ProviderError):
    pass
