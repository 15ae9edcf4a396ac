"""Why a verb of windows and freezes did nothing.

WindowError
├── WrongWindow   days, times or a zone that cannot be
├── WrongFreeze   times that cannot be
├── NotYours      somebody else froze it
└── FreezeOver    it has ended, or somebody has lifted it
"""


class WindowError(Exception):
    """`str()` is the sentence for every door."""


class WrongWindow(WindowError):
    pass


class WrongFreeze(WindowError):
    pass


class NotYours(WindowError):
    pass


class FreezeOver(WindowError):
    pass
