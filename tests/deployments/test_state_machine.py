"""Any order of verbs, deaths, pauses, broken links and clock jumps, on the real verbs and ORM: what must hold, holds.

MACHINE_EXAMPLES takes that many random examples instead of the few that every run takes.
"""

import os
from contextlib import suppress
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from deployments import lifecycle
from tests.deployments import model_choices
from tests.deployments.model_truths import Truths
from tests.deployments.model_world import REFUSALS, Trap, World

EXAMPLES = 4  # two to eight seconds each
SCRIPT = ("work", "finish", "request", "cancel", "give up", "flip", "stop and roll back", "time", "take one")
WHERE = [
    "taken",
    "decide",
    "move",
    "record",
    "word",
    "result",
    "connect",
    "connected",
    "send",
    "sent",
    "receive",
    "git",
]
at = {"after": st.integers(0, 6), "where": st.sampled_from(WHERE)}
anywhere = {"after": st.integers(0, 60)}
breaks = st.sampled_from(("kill", "kill", "cut", "late", "reboot"))
scripts = st.lists(st.sampled_from(SCRIPT), min_size=1, max_size=4).map(tuple)
sleeps: dict[str, Any] = {
    "kind": st.just("sleep"),
    "script": scripts,
    "renews": st.booleans(),
    "lapses": st.booleans(),
    "takes": st.booleans(),
}
traps = st.one_of(
    st.none(),
    st.builds(Trap, kind=breaks, **anywhere),
    st.builds(Trap, kind=breaks, **at),
    st.builds(Trap, **sleeps, **anywhere),
    st.builds(Trap, **sleeps, **at),
)


class Deployments(RuleBasedStateMachine):
    """One target; every rule is an act of a person, of a worker, of a host or of time."""

    world: World | None = None

    @initialize(
        hosts=st.integers(1, 3),
        once=st.booleans(),
        on_failure=st.sampled_from(("quarantine", "retry", "abort")),
        keep=st.sampled_from((2, 3)),
        needed=st.sampled_from((50, 100)),
    )
    def begin(self, hosts: int, once: bool, **fields: Any) -> None:
        self.world = World(hosts=hosts, once=once, **fields)
        self.truths = Truths(self.world)
        self.world.check = self.truths.check

    @property
    def there(self) -> World:
        assert self.world is not None
        return self.world

    @rule(trap=traps, hold=st.booleans(), wait=st.booleans())
    def request(self, trap: Trap | None, hold: bool, wait: bool) -> None:
        world = self.there
        with world.trapped(trap if trap and trap.kind == "sleep" else None), suppress(*REFUSALS):
            lifecycle.request_deploy(target=world.target, ref="main", by=world.by, hold=hold and wait, wait=wait)

    @rule(rounds=st.integers(1, 12), trap=traps)
    def work(self, rounds: int, trap: Trap | None) -> None:
        with self.there.trapped(trap):
            self.there.work(rounds)

    @rule(trap=traps)
    def work_to_the_end(self, trap: Trap | None) -> None:
        with self.there.trapped(trap):
            self.there.work(12)

    @precondition(lambda self: self.world is not None and self.world.messages)
    @rule(back=st.integers(1, 6), trap=traps)
    def deliver_again(self, back: int, trap: Trap | None) -> None:
        messages = self.there.messages
        with self.there.trapped(trap):
            self.there.deliver(messages[-min(back, len(messages))])

    @rule(word=st.sampled_from(("cancel", "give up", "flip", "stop and roll back")))
    def say(self, word: str) -> None:
        self.there.do(word)

    @rule(verb=st.sampled_from(("roll back", "converge", "task")))
    def begin_again(self, verb: str) -> None:
        world = self.there
        if verb == "roll back":
            model_choices.roll_back(world)
        with suppress(*REFUSALS):
            if verb == "converge":
                world.converge()
            elif verb == "task":
                lifecycle.run_task(world.task, by=world.by, wait=True)

    @rule(verb=st.sampled_from(("retry", "roll back", "cancel")), back=st.integers(0, 3))
    def return_to(self, verb: str, back: int) -> None:
        """To any deploy that is over."""
        acts = {"retry": model_choices.retry, "roll back": model_choices.roll_back_to, "cancel": model_choices.cancel}
        deploy = model_choices.final(self.there, back)
        if deploy is not None:
            acts[verb](self.there, deploy)

    @rule(older=st.integers(0, 1))
    def go_back_past_what_failed(self, older: int) -> None:
        """One ends well, one does not, one does; then what must be refused is, and the way back leads to the first."""
        world = self.there
        world.do("flip")
        for fails in (0, 2, 0):
            list(world.hosts.values())[-1].failing = fails
            world.do("request")
            world.work(12)
        for back in range(3):
            deploy = model_choices.final(world, back)
            if deploy is not None:
                model_choices.retry(world, deploy)
        failed = model_choices.final(world, 1 + older)
        if failed is not None and failed.status == "failed":
            model_choices.roll_back_to(world, failed)
        model_choices.roll_back(world)

    @rule()
    def two_come_to_a_switch(self) -> None:
        """One of them has a claim on a part of the wave."""
        world = self.there
        world.do("flip")
        world.do("request")
        for _ in range(4):
            world.contest_switch()
            world.work(1)

    @rule(after=st.integers(0, 40), seconds=st.sampled_from((1, 4, 7, 9)))
    def a_worker_dies(self, after: int, seconds: int) -> None:
        """Another looks so many seconds later."""
        with self.there.trapped(Trap("kill", after)):
            self.there.work(6)
        self.there.pass_time(seconds)
        with self.there.trapped(None):
            self.there.work(2)

    @rule(requests=st.integers(2, 3), back=st.booleans())
    def many_want_to(self, requests: int, back: bool) -> None:
        """They wait for their turns."""
        world = self.there
        for _ in range(requests):
            with suppress(*REFUSALS):
                lifecycle.request_deploy(target=world.target, ref="main", by=world.by, wait=True)
        if back:
            world.do("stop and roll back")

    @rule(which=st.integers(0, 2), what=st.sampled_from(("down", "up", "fails", "reboots", "goes on")))
    def host(self, which: int, what: str) -> None:
        hosts = list(self.there.hosts.values())
        host = hosts[which % len(hosts)]
        if what in ("down", "up"):
            host.down = what == "down"
        elif what == "fails":
            host.failing += 1
        elif what == "reboots":
            host.reboot()
        else:
            host.go_on(2)

    @rule(seconds=st.sampled_from((3, 9, 100)))
    def time_passes(self, seconds: int) -> None:
        self.there.pass_time(seconds)

    @rule(hours=st.sampled_from((-1, 1)))
    def wall_clock_is_set(self, hours: int) -> None:
        self.there.offset += timedelta(hours=hours)

    @invariant()
    def holds(self) -> None:
        if self.world is not None:
            self.truths.check()

    def teardown(self) -> None:
        if self.world is None:
            return
        try:
            self.world.settle()
            self.truths.check()
        finally:
            self.world.close()


def run_examples(count: int, *, same_each_time: bool) -> None:
    """So many examples of 20 acts. To see the shortest way to a failure takes minutes: MACHINE_SHRINK=1."""
    phases = [Phase.generate, Phase.shrink] if os.environ.get("MACHINE_SHRINK") else [Phase.generate]
    run_state_machine_as_test(
        Deployments,
        settings=settings(
            max_examples=count,
            stateful_step_count=20,
            derandomize=same_each_time,
            database=None,
            deadline=None,
            phases=phases,
            suppress_health_check=list(HealthCheck),
        ),
    )


@pytest.mark.both_databases
def test_whatever_happens_every_deploy_ends_in_a_true_state(transactional_db: None) -> None:
    wanted = int(os.environ.get("MACHINE_EXAMPLES", "0"))
    run_examples(wanted or EXAMPLES, same_each_time=not wanted)
