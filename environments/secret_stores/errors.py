"""StoreError
├── StoreWrong      what was typed cannot be; `problems` by the name of the field
├── StoreTaken      there is a store of that name
├── StoreInUse      values refer to it
├── NoSuchStore     nothing is called so
└── NotFetched      it did not answer, refused, or has not what is wanted; nothing is told of any value
"""

from collections.abc import Mapping

from environments.secret_stores.references import Reference


class StoreError(Exception):
    """`str()` is the sentence for every door."""


class StoreWrong(StoreError):
    def __init__(self, problems: Mapping[str, str]) -> None:
        self.problems = dict(problems)
        super().__init__(" ".join([*self.problems.values(), "Nothing was saved."]))


class StoreTaken(StoreError):
    pass


class StoreInUse(StoreError):
    pass


class NoSuchStore(StoreError):
    pass


class NotFetched(StoreError):
    """Why, and what to do; `reference`: what is meant, None where the whole store is."""

    def __init__(self, why: str, reference: Reference | None = None) -> None:
        self.reference = reference
        super().__init__(why)
