"""Work that is over in time, whatever the other side does.

Late    it was not, and is left alone: its thread ends by itself, or with the process
"""

import threading
from collections.abc import Callable
from typing import TypeVar

Result = TypeVar("Result")


class Late(Exception):
    pass


def within(seconds: float, work: Callable[[], Result], *, name: str) -> Result:
    """What `work` returns or raises. Names that nobody answers for, and bytes that drip, know no other bound.

    Raises Late.
    """
    said: list[Result] = []
    raised: list[Exception] = []

    def run() -> None:
        try:
            said.append(work())
        except Exception as error:  # noqa: BLE001 - raised below, by who waits for it
            raised.append(error)

    thread = threading.Thread(target=run, name=name, daemon=True)
    thread.start()
    thread.join(seconds)
    for error in raised:
        raise error
    for result in said:
        return result
    raise Late
