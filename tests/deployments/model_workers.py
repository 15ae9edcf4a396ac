"""What stands in for the threads and clocks of workers: all in one thread, and time passes by waiting alone."""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor, Future
from contextlib import contextmanager
from typing import Any

from deployments.errands import Errands
from deployments.runtime import Runtime


class Clock:
    """Time for whoever waits: it passes by waiting alone."""

    def __init__(self) -> None:
        self.at = 1000.0

    def monotonic(self) -> float:
        return self.at

    def sleep(self, seconds: float) -> None:
        self.at += seconds


class InOrder(Executor):
    """One after the other, here and now."""

    def __init__(self, *_: object, **__: object) -> None:
        pass

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> "Future[Any]":
        future: Future[Any] = Future()
        try:
            future.set_result(fn(*args, **kwargs))
        except Exception as error:  # noqa: BLE001 - as every executor
            future.set_exception(error)
        return future


class ErrandsInOrder(Errands):
    """The same for the threads of hosts."""

    def each(self, items: Sequence[Any], act: Callable[[Any], None]) -> None:
        futures = [InOrder().submit(act, item) for item in items]
        for future in futures:
            future.result()


class Stop:
    """A stop event whose waits cost no time."""

    def __init__(self, clock: Clock) -> None:
        self._clock, self._set = clock, False

    def set(self) -> None:
        self._set = True

    def is_set(self) -> bool:
        return self._set

    def wait(self, seconds: float) -> bool:
        self._clock.sleep(seconds)
        return self._set


class ModelWorker(Runtime):
    """A worker process without threads of its own."""

    def __init__(self, clock: Clock) -> None:
        super().__init__()
        self._clock = clock
        self.pool = ErrandsInOrder(64)
        self.awake = True

    @contextmanager
    def watching(self, deploy_id: int) -> Iterator[None]:
        self._stops.setdefault(deploy_id, Stop(self._clock))  # type: ignore[arg-type]
        with super().watching(deploy_id):
            yield
