"""What must be true after every act, whatever went wrong: the database compared with what lies on the hosts."""

from collections.abc import Iterator
from typing import Any

from deployments import log
from deployments.host_program import parse_mark
from deployments.models import Deploy, HostRun, Kind, LogChunk, Placement, Program
from deployments.models.logs import Stream
from deployments.states import ACTIVE, FINAL, RUN_OPEN, DeployStatus, RunStatus
from environments.models import OnFailure, Target
from tests.deployments.model_hosts import Effect, ModelHost
from tests.deployments.model_world import World

_NOT_ASKED = "It did not answer in time"


class Truths:
    """Compares again and again; what is final is kept, and must stay."""

    def __init__(self, world: World) -> None:
        self.world = world
        self._fence = 0
        self._number = 0
        self._hosts_fences: dict[str, int] = {}
        self._final: dict[int, Any] = {}
        self._doubtful: set[str] = set()
        self._turned: set[int] = set()

    def check(self) -> None:
        deploys = list(Deploy.objects.filter(target=self.world.target).select_related("release").order_by("pk"))
        active = [deploy for deploy in deploys if deploy.status in ACTIVE]
        assert len(active) <= 1, f"two deploys at once: {active}"
        assert self.world.wrong is None, self.world.wrong
        self._check_numbers(deploys)
        self._check_turns(deploys)
        self._check_fences()
        for deploy in deploys:
            self._check_log_numbers(deploy)
            if deploy.status in FINAL:
                self._check_final(deploy)
        for host in self.world.hosts.values():
            _check_order(host)
        if not active:
            self._check_placements()

    def _check_numbers(self, deploys: list[Deploy]) -> None:
        numbers = [deploy.number for deploy in deploys]
        assert numbers == sorted(set(numbers)), f"numbers must rise: {numbers}"
        last = Target.objects.values_list("last_number", flat=True).get(pk=self.world.target.pk)
        assert last == max(numbers, default=0) >= self._number
        self._number = last

    def _check_turns(self, deploys: list[Deploy]) -> None:
        """A rollback is first, then the lower number; nobody has started before his turn, who came last neither."""
        waiting = [deploy for deploy in deploys if deploy.status == DeployStatus.WAITING]
        started = [deploy for deploy in deploys if deploy.started_at]
        for one in started:
            passed = [
                other
                for other in waiting
                if _turn(other) < _turn(one) and one.started_at and other.requested_at < one.started_at
            ]
            assert one.pk in self._turned or not passed, f"{one} started while {passed} waited"
        self._turned |= {deploy.pk for deploy in started}

    def _check_fences(self) -> None:
        fence = Target.objects.values_list("fence", flat=True).get(pk=self.world.target.pk)
        assert fence >= self._fence, "the target's fence fell"
        self._fence = fence
        given = list(HostRun.objects.filter(deploy__target=self.world.target).values_list("fence", flat=True))
        assert max(given, default=0) <= fence
        for name, host in self.world.hosts.items():
            assert self._hosts_fences.get(name, 0) <= host.fence <= fence, f"{name} has a fence that nobody gave"
            self._hosts_fences[name] = host.fence

    def _check_log_numbers(self, deploy: Deploy) -> None:
        """Lines are stored by a thread of their own: what it stores in between is looked at once more."""
        before = -1
        while before != deploy.lines:
            before = deploy.lines
            n = self._last_number(deploy)
            deploy.refresh_from_db(fields=["lines"])
        assert deploy.lines == n

    @staticmethod
    def _last_number(deploy: Deploy) -> int:
        chunks = LogChunk.objects.filter(deploy=deploy).order_by("first_n")
        n = 0
        for first, last, text in chunks.values_list("first_n", "last_n", "text"):
            assert (first, last) == (n + 1, n + 1 + text.count("\n")), f"a hole in the log of {deploy}"
            n = last
        return n

    def _check_final(self, deploy: Deploy) -> None:
        rows = list(HostRun.objects.filter(deploy=deploy).order_by("pk"))
        facts: Any = (
            deploy.status,
            deploy.reason,
            deploy.finished_at,
            deploy.lines,
            deploy.log_sha256,
            deploy.release_id,
        )
        facts += tuple((row.status, row.switched_at, row.error, row.previous) for row in rows)
        if self._final.setdefault(deploy.pk, facts) is not facts:
            assert self._final[deploy.pk] == facts, f"{deploy} was over, and changed"
            return
        assert not [row for row in rows if row.status in RUN_OPEN], f"{deploy} is over, with open host runs"
        assert (deploy.lines, deploy.log_sha256) == log.digest(deploy.pk)
        assert len(deploy.log_sha256) == 64
        self._check_printed(deploy)
        self._check_once(deploy)
        if deploy.kind != Kind.TASK:
            self._check_switches(deploy, rows)
        if deploy.kind == Kind.DEPLOY:
            self._check_enough(deploy, len(rows))

    def _check_switches(self, deploy: Deploy, rows: list[HostRun]) -> None:
        """What the host runs say of the switch is what happened; what nobody could know is said to be unknown."""
        for row in rows:
            host = self.world.hosts[row.host_name]
            flipped = deploy.key in host.flipped
            unasked = row.status == RunStatus.UNKNOWN or row.error.startswith(_NOT_ASKED)
            if unasked and row.switched_at is None:
                self._doubtful.add(row.host_name)
                continue
            told = (row.status, row.error, [(p.phase, p.result) for p in Program.objects.filter(run=row)])
            # a word that found the release current already has changed nothing, and may be told either way
            if row.switched_at is None or deploy.key not in host.told:
                assert (row.switched_at is not None) == flipped, f"{row}: {told}, but flipped={flipped}"
            if row.switched_at is not None:
                self._doubtful.discard(row.host_name)
            if row.status == RunStatus.LIVE:
                assert row.switched_at is not None, f"{row} is live and was never switched"

    def _check_enough(self, deploy: Deploy, hosts: int) -> None:
        """Who switched at all did so after enough, or where the target wants it all, had been prepared."""
        there = self.world.hosts.values()
        sealed = [host for host in there if any((e.key, e.what) == (deploy.key, "seal") for e in host.journal)]
        needed = 100 if self.world.target.on_failure == OnFailure.ABORT else self.world.target.needed
        if any(deploy.key in host.flipped for host in there):
            assert len(sealed) * 100 >= needed * hosts, f"{deploy} switched with {len(sealed)} of {hosts} prepared"

    def _check_printed(self, deploy: Deploy) -> None:
        """Every line that a host has printed is stored once and in order; of a program with no known end, a part."""
        for program in Program.objects.filter(run__deploy=deploy).select_related("run"):
            name = f"{deploy.key}-{program.phase}-{program.attempt}"
            there = self.world.hosts[program.run.host_name].programs.get(name)
            chunks = LogChunk.objects.filter(program=program, stream=Stream.OUTPUT).order_by("first_n")
            stored = [line for chunk in chunks for line in chunk.text.split("\n")]
            printed = _output(there.printed, there.nonce) if there else []
            whole = program.result not in ("", "lost")
            told = f"{name} on {program.run.host_name}: {stored} of {printed}"
            assert stored == printed if whole else stored == printed[: len(stored)], told

    def _check_once(self, deploy: Deploy) -> None:
        """What runs once is begun once by a deploy, and done once by it and its retries.

        But for what a person has retried who was told that nobody knows how it ended.
        """
        family = {one.pk: one.key for one in _family(deploy)}
        done = self._effects(set(family.values()), "done")
        earlier = Program.objects.filter(run__deploy__in=set(family) - {deploy.pk}, phase="once")
        untold = earlier.filter(result__in=("", "lost")).count()
        assert len(done) <= 1 + untold, f"what runs once has run on {done}"
        begun = self._effects({deploy.key}, "step")
        assert len(begun) <= 1, f"what may not be repeated was begun on {begun}"
        failed = Program.objects.filter(run__deploy=deploy, phase="once", result__startswith="failed").count()
        assert failed <= 1, f"what runs once has failed, and ran again in {deploy}"
        assert not failed or deploy.status != DeployStatus.SUCCEEDED, f"{deploy} succeeded without what runs once"

    def _effects(self, keys: set[str], what: str) -> list[tuple[str, Effect]]:
        """What deploys did to what runs once, and on which host."""
        return [
            (name, effect)
            for name, host in self.world.hosts.items()
            for effect in host.journal
            if effect.key in keys and (effect.what, effect.detail) == (what, "migrate")
        ]

    def _check_placements(self) -> None:
        """When nothing is under way, what is said to serve is what serves."""
        places = Placement.objects.filter(target=self.world.target).select_related("current", "host")
        for place in places:
            if place.host.name not in self._doubtful:
                said = place.current.name if place.current else ""
                serves = self.world.hosts[place.host.name].current
                assert said == serves, f"{place.host}: {serves or 'nothing'} serves, {said or 'nothing'} is said to"


def _check_order(host: ModelHost) -> None:
    """No deploy's effects after those of a later one: they never overlap on a host."""
    host.check()
    keys = [effect.key for effect in host.journal]
    changes = [key for n, key in enumerate(keys) if n == 0 or keys[n - 1] != key]
    assert len(changes) == len(set(changes)), f"{host.name}: deploys overlap: {host.journal}"


def _family(deploy: Deploy) -> Iterator[Deploy]:
    """It and what it retries, and so on to the one that was no retry."""
    one: Deploy | None = deploy
    while one is not None:
        yield one
        one = one.of if one.kind == Kind.RETRY else None


def _turn(deploy: Deploy) -> tuple[bool, int]:
    return deploy.kind != Kind.ROLLBACK, deploy.number


def _output(printed: bytes, nonce: str) -> list[str]:
    lines = printed.splitlines(keepends=True)
    return [line.decode().rstrip("\n") for line in lines if parse_mark(line, nonce) is None]
