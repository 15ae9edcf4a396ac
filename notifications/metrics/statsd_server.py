"""The only module that knows the statsd package."""

import time
from collections.abc import Iterable

from statsd import StatsClient

from notifications.metrics.names import Kind, dotted
from notifications.metrics.samples import Sample

RESOLVE_SECONDS = 60.0  # a server that moves is found again


class StatsdServer:
    """Packets over UDP: nobody knows whether they arrive, and nobody waits to learn it.

    Only the look-up of its name may hang, which is why a thread of its own sends.
    """

    def __init__(self, host: str, port: int, prefix: str) -> None:
        self._place, self._prefix = (host, port), prefix
        self._client: StatsClient | None = None
        self._resolved = 0.0

    def send(self, samples: Iterable[Sample]) -> None:
        """Raises OSError when the server's name is not found."""
        with self._found().pipeline() as packets:
            for sample in samples:
                name = dotted(sample.name, sample.labels)
                if sample.kind is Kind.COUNTER:
                    packets.incr(name, int(sample.value))
                elif sample.kind is Kind.TIMER:
                    packets.timing(name, sample.value * 1000)
                else:
                    packets.gauge(name, sample.value)

    def close(self) -> None:
        if self._client is not None:
            self._client.close()
            self._client = None

    def _found(self) -> StatsClient:
        if self._client is None or time.monotonic() - self._resolved > RESOLVE_SECONDS:
            self.close()
            self._client = StatsClient(*self._place, prefix=self._prefix or None, ipv6=":" in self._place[0])
            self._resolved = time.monotonic()
        return self._client
