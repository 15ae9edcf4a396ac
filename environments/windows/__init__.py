"""When nothing new goes out: windows of environments, and freezes. Only this package writes them.

Errors are those of `environments.windows.errors`, locks.WrongWords and access.NotAllowed.
"""

from environments.windows.errors import FreezeOver, NotYours, WindowError, WrongFreeze, WrongWindow
from environments.windows.fortnight import Day, read_fortnight
from environments.windows.freezes import (
    applying,
    find_freeze,
    freeze,
    frozen,
    lasting,
    lift,
    may_lift,
    tell,
    tell_what,
    to_come,
    visible,
)
from environments.windows.hours import Window, is_open, next_opening, tell_days, windows_of
from environments.windows.setting import read_window, set_windows

__all__ = [
    "Day",
    "FreezeOver",
    "NotYours",
    "Window",
    "WindowError",
    "WrongFreeze",
    "WrongWindow",
    "applying",
    "find_freeze",
    "freeze",
    "frozen",
    "is_open",
    "lasting",
    "lift",
    "may_lift",
    "next_opening",
    "read_fortnight",
    "read_window",
    "set_windows",
    "tell",
    "tell_days",
    "tell_what",
    "to_come",
    "visible",
    "windows_of",
]
