"""What tests cost: DEPLOYER_TEST_COSTS=1 prints the twenty that used the processor most, with all that they started.

Seconds on the clock say nothing while other groups run beside this one. A process that outlives its test counts where
it ends, and one that nobody waits for does not count.
"""

import os
import resource
from collections import defaultdict
from collections.abc import Generator

import pytest

MOST = 20


def used() -> float:
    """Seconds of a processor, by this process and by those that it started and that have ended."""
    both = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(one.ru_utime + one.ru_stime for one in both)


class Costs:
    """Tests with parameters count together."""

    def __init__(self) -> None:
        self._seconds: dict[str, float] = defaultdict(float)
        self._times: dict[str, int] = defaultdict(int)

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Generator[None, object, object]:
        before = used()
        result = yield
        name = item.nodeid.partition("[")[0]
        self._seconds[name] += used() - before
        self._times[name] += 1
        return result

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        terminalreporter.section(f"seconds of a processor: {used():.0f} in all")
        for name in sorted(self._seconds, key=self._seconds.__getitem__, reverse=True)[:MOST]:
            terminalreporter.line(f"{self._seconds[name]:7.2f} {self._times[name]:4} x {name}")


def pytest_configure(config: pytest.Config) -> None:
    if os.environ.get("DEPLOYER_TEST_COSTS"):
        config.pluginmanager.register(Costs())
