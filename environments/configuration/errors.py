"""ConfigurationError
├── NameRefused      no name for a value, or one that would change what programs of the host do
├── ValueRefused     a value that no file can hold
├── NoSuchScope      there is no such region, zone or host
├── NoSuchValue      nothing of that name is set there
├── NothingToUndo    the change is not the newest of its name there, or was the first act of nothing
└── DeliveryRefused  a path in the release that cannot be, or that is taken
"""


class ConfigurationError(Exception):
    """`str()` is the sentence for every door. Nothing was changed."""


class NameRefused(ConfigurationError):
    pass


class ValueRefused(ConfigurationError):
    pass


class NoSuchScope(ConfigurationError):
    pass


class NoSuchValue(ConfigurationError):
    pass


class NothingToUndo(ConfigurationError):
    pass


class DeliveryRefused(ConfigurationError):
    pass
